/* Time that plays, pauses, and is dragged: a button, a slider, the arrows and the space bar. */
chorale.player = (function() {
  "use strict";
  var LONG = 6, SPEEDS = [[0.25, "¼ ×"], [0.5, "½ ×"], [1, "1 ×"], [2, "2 ×"], [4, "4 ×"]];

  /* count frames; act(frame) shows one. */
  function Player(parent, count, act) {
    var self = this, row = chorale.make(parent, "div", "player");
    this.count = count;
    this.act = act;
    this.frame = 0;
    this.shown = 0; /* frames drawn while it played */
    this.speed = 1;
    this.button = chorale.make(row, "button", "play", "▶ play");
    this.button.type = "button";
    this.button.addEventListener("click", function() { self.toggle(); });
    this.slider = chorale.make(row, "input");
    this.slider.type = "range";
    this.slider.min = 0;
    this.slider.max = count - 1;
    this.slider.step = 1;
    this.slider.value = 0;
    this.slider.setAttribute("aria-label", "time");
    this.slider.addEventListener("input", function() {
      self.pause();
      self.set(Number(self.slider.value));
    });
    chorale.choice(row, "speed", SPEEDS, 1, function(value) { self.speed = Number(value); });
    this.words = chorale.make(parent, "p", "now");
  }

  Player.prototype.set = function(frame) {
    this.frame = Math.max(0, Math.min(this.count - 1, Math.round(frame)));
    this.slider.value = this.frame;
    var said = this.act(this.frame);
    this.words.textContent = said;
    this.slider.setAttribute("aria-valuetext", said);
  };

  Player.prototype.rate = function() { return this.speed * Math.max(8, Math.min(60, this.count / LONG)); };

  Player.prototype.toggle = function() {
    if (this.playing) {
      this.pause();
      return;
    }
    if (this.frame === this.count - 1) this.set(0);
    this.playing = true;
    this.button.textContent = "❚❚ pause";
    this.last = null;
    this.left = 0;
    var self = this;
    window.requestAnimationFrame(function next(now) {
      if (!self.playing) return;
      if (self.last !== null) self.left += (now - self.last) / 1000 * self.rate();
      self.last = now;
      var steps = Math.floor(self.left);
      if (steps) {
        self.left -= steps;
        self.set(self.frame + steps);
        self.shown++;
      }
      if (self.frame === self.count - 1) {
        self.pause();
        return;
      }
      window.requestAnimationFrame(next);
    });
  };

  Player.prototype.pause = function() {
    this.playing = false;
    this.button.textContent = "▶ play";
  };

  /* Whether a key was meant for it. */
  Player.prototype.key = function(name) {
    var steps = {ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -this.count, End: this.count};
    if (name === " ")
      this.toggle();
    else if (name in steps) {
      this.pause();
      this.set(this.frame + steps[name]);
    } else
      return false;
    return true;
  };

  return function(parent, count, act) { return new Player(parent, count, act); };
})();
