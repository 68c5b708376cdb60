/* Tokens in motion beside what was observed of them, over one time. */
chorale.motion = (function() {
  "use strict";
  var BUCKETS = 16, STRIP = 190, WIDEST = 620, UNIT = 32767, TURN = 6, NAMES = {2: "the circle", 3: "the sphere"};
  var HOW = {
    one: "one colour, seen on all densities",
    start: "where a token started",
    cluster: "its cluster at the end",
    order: "its position in the causal order"
  };

  function Motion(parent, spec) {
    this.spec = spec;
    this.points = spec.points;
    this.realization = 0;
    this.colouring = spec.density && spec.density.sphere ? "one" : "start";
    this.followed = -1;
    this.box = chorale.make(parent, "div", "motion" + (this.points ? "" : " bare"));
    if (this.points) this.stage();
    this.strips();
    if (this.points)
      this.begin();
    else if (spec.note)
      chorale.make(parent, "p", "soft", spec.note);
    var self = this;
    chorale.table(parent, function() { return self.numbers(); });
  }

  Motion.prototype.stage = function() {
    var points = this.points, left = chorale.make(this.box, "div", "stage"), self = this;
    this.count = chorale.unpack(points.tokens).length;
    this.time = chorale.unpack(points.time);
    this.canvas = chorale.make(left, "canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.ball = chorale.ball(this.canvas, points.dim);
    this.player = chorale.player(left, this.time.length, function(frame) { return self.show(frame); });
    this.key = chorale.make(left, "p", "key");
    var about = chorale.make(left, "p", "key");
    if (this.spec.density)
      chorale.density.legend(about, this.spec.density);
    else if (points.dim === 2)
      about.textContent = "Around the circle: how many tokens there are, as the root of their share.";
    this.controls(chorale.make(left, "div", "controls"));
    var turn = points.dim === 2 ? "" : "Drag to turn. ";
    chorale.make(left, "p", "soft",
                 turn + "Click a token to follow it. Space plays, arrows step, a click on a curve goes to its time.");
    points.notes.forEach(function(note) { chorale.make(left, "p", "soft", note); });
    this.ball.grip(function() { self.draw(); }, function(event) { self.follow(self.ball.under(event)); });
    this.box.addEventListener("keydown", function(event) { self.press(event); });
    this.left = left;
  };

  Motion.prototype.controls = function(row) {
    var points = this.points, self = this, names = [["start", HOW.start], ["cluster", HOW.cluster]];
    if (points.causal) names.push(["order", HOW.order]);
    if (this.spec.density) names.unshift(["one", HOW.one]);
    if (points.realizations.length > 1) {
      var given = points.realizations.map(function(one, i) { return [i, one.name]; });
      this.shown = chorale.choice(row, "shown", given, 0, function(value) { self.choose(Number(value)); });
    }
    this.coloured = chorale.choice(row, "colour", names, this.colouring, function(value) { self.colour(value); });
    var label = chorale.make(row, "label", "choice", "follow token "),
        field = this.field = chorale.make(label, "input");
    field.type = "number";
    field.min = 0;
    field.max = points.count - 1;
    field.placeholder = "none";
    field.addEventListener("change", function() {
      self.follow(field.value === "" ? -1 : chorale.unpack(points.tokens).indexOf(Number(field.value)));
    });
  };

  Motion.prototype.strips = function() {
    var right = chorale.make(this.box, "div", "strips"), self = this, last = this.spec.strips.length - 1;
    this.charts = this.spec.strips.map(function(strip, i) {
      var more = {bare: i < last, height: STRIP, realization: self.spec.numbers[0]};
      if (self.points)
        more.pick = function(time) {
          self.player.pause();
          self.player.set(self.nearest(time));
        };
      return chorale.chart(right, strip, more);
    });
  };

  Motion.prototype.begin = function() {
    var front = this.points.realizations[0].front, self = this;
    this.ball.turn([-front[0] + 24, -front[1] + 20]);
    chorale.draws(this.left, function() {
      self.ball.size(Math.min(self.left.clientWidth, WIDEST));
      self.colour(self.colouring);
    });
  };

  Motion.prototype.nearest = function(time) {
    var at = d3.bisector(function(value) { return value; }).left(this.time, time);
    return at > 0 && (at === this.time.length || time - this.time[at - 1] < this.time[at] - time) ? at - 1 : at;
  };

  Motion.prototype.positions =
      function() { return chorale.unpack(this.points.realizations[this.realization].positions); };

  /* Coordinates of the tokens of the shown frame, as the file has them. */
  Motion.prototype.tokens = function() {
    var k = this.ball.dim, first = this.player.frame * this.count * k, at = this.positions(), found = [];
    function unit(value) { return value / UNIT; }
    for (var i = first; i < first + k * this.count; i += k) found.push(Array.from(at.subarray(i, i + k), unit));
    return found;
  };

  Motion.prototype.draw = function() {
    if (!this.ball.numbers) return;
    if (this.spec.density) this.ball.texture = chorale.density(this.spec.density, this.player.frame);
    this.ball.draw(this.positions(), this.player.frame);
    if (this.followed >= 0) this.ball.trail(this.positions(), this.followed, this.player.frame, this.time.length);
  };

  /* Values of the strips at a time, as words. */
  Motion.prototype.show = function(frame) {
    var time = this.time[frame], words = ["t = " + chorale.number(time)];
    this.charts.forEach(function(chart) {
      chart.cursor(time);
      var own = chart.inUse().filter(function(line) { return line.spec.realization !== undefined; });
      var line = own[0] || chart.inUse()[0], at = line && line.x.indexOf(time);
      if (line && at >= 0) words.push(chart.spec.y.label + " " + chorale.number(line.y[at], 3));
    });
    this.draw();
    var where = this.points.dim > 3 ? "a ball" : NAMES[this.points.dim];
    this.canvas.setAttribute("aria-label", this.count + " tokens on " + where + " at " + words.join(", ") +
                                               ". Arrows step through time, with shift they turn the sphere.");
    return words.join(" · ");
  };

  Motion.prototype.choose = function(realization) {
    this.realization = realization;
    if (this.shown) this.shown.value = realization;
    this.charts.forEach(function(chart) { chart.show(this.spec.numbers[realization]); }, this);
    this.colour(this.colouring);
  };

  /* Heights of the first frame, or of the causal order, in BUCKETS steps. */
  Motion.prototype.ranks = function(how) {
    var k = this.ball.dim, at = this.positions(), count = this.count, spread = 1;
    function height(i) { return at[k * i + k - 1] / UNIT; }
    if (this.points.dim > 3) spread = 2.5 * (d3.deviation(d3.range(count), height) || 1);
    return Uint8Array.from({length: count}, function(_, i) {
      var share =
          how === "order" ? i / Math.max(1, count - 1) : 0.5 + 0.5 * Math.max(-1, Math.min(1, height(i) / spread));
      return Math.min(BUCKETS - 1, Math.floor(share * BUCKETS));
    });
  };

  Motion.prototype.colour = function(how) {
    this.colouring = this.coloured.value = how;
    if (how === "cluster")
      this.colourClusters();
    else if (how === "one") {
      this.ball.paint([this.spec.density.token], new Uint8Array(this.count));
      this.key.textContent = "";
    } else {
      this.ball.paint(d3.range(BUCKETS).map(function(i) { return chorale.ordered(i / (BUCKETS - 1)); }),
                      this.ranks(how));
      this.legend(how === "order" ? ["first", "last"] : ["low at the start", "high"]);
    }
    this.player.set(this.player.frame);
  };

  Motion.prototype.colourClusters = function() {
    var labels = chorale.unpack(this.points.realizations[this.realization].clusters), sizes = [],
        palette = chorale.palette();
    labels.forEach(function(label) { sizes[label] = (sizes[label] || 0) + 1; });
    var named = sizes.filter(function(size, i) { return size > 1 && i < chorale.data.order.length; }).length;
    var colours = chorale.data.order.slice(0, named).map(function(name) { return palette[name]; });
    this.ball.paint(colours.concat([palette.faint]),
                    Uint8Array.from(labels, function(label) { return Math.min(label, named); }));
    this.key.textContent = "";
    var rest = this.count - d3.sum(sizes.slice(0, named));
    colours.forEach(function(colour, i) { this.swatch(colour, sizes[i] + (sizes[i] === 1 ? " token" : " tokens")); },
                    this);
    if (rest) this.swatch(palette.faint, rest + (named ? " in smaller ones" : " alone"));
  };

  Motion.prototype.swatch = function(colour, text) {
    var one = chorale.make(this.key, "span", "swatch");
    chorale.make(one, "i").style.background = colour;
    one.appendChild(document.createTextNode(text));
  };

  Motion.prototype.legend = function(ends) {
    var stops = d3.range(9).map(function(i) { return chorale.ordered(i / 8); });
    this.key.textContent = "";
    chorale.make(this.key, "span", "", ends[0]);
    chorale.make(this.key, "i", "ramp").style.background = "linear-gradient(to right," + stops.join(",") + ")";
    chorale.make(this.key, "span", "", ends[1]);
  };

  /* A token by its place among those shown, -1 for none. */
  Motion.prototype.follow = function(index) {
    this.followed = index === this.followed ? -1 : index;
    this.field.value = this.followed < 0 ? "" : chorale.unpack(this.points.tokens)[this.followed];
    this.draw();
  };

  Motion.prototype.press = function(event) {
    var turns = {ArrowLeft: [-TURN, 0], ArrowRight: [TURN, 0], ArrowUp: [0, -TURN], ArrowDown: [0, TURN]};
    if (/^(INPUT|SELECT|BUTTON|SUMMARY)$/.test(event.target.tagName)) {
      if (event.key !== " " || event.target.type !== "range") return;
    }
    var angles = this.ball.angles, by = event.shiftKey && turns[event.key];
    if (by && this.ball.dim === 3) {
      this.ball.turn([angles[0] + by[0], angles[1] + by[1]]);
      this.draw();
    } else if (event.altKey || event.ctrlKey || event.metaKey || !this.player.key(event.key))
      return;
    event.preventDefault();
  };

  /* What outlives that the page of a running job is read anew; who looks at the last frame goes on to the new one. */
  Motion.prototype.state = function() {
    if (!this.points) return null;
    var frame = this.player.frame, last = frame === this.time.length - 1;
    return {
      time: last ? null : this.time[frame],
      angles: this.ball.angles,
      colouring: this.colouring,
      realization: this.realization,
      followed: this.followed
    };
  };

  Motion.prototype.restore = function(kept) {
    if (!this.points) return;
    if (kept) {
      this.ball.turn(kept.angles);
      if (kept.realization < this.points.realizations.length) this.choose(kept.realization);
      if (kept.colouring !== this.colouring) this.colour(kept.colouring);
      if (kept.followed >= 0 && kept.followed !== this.followed) this.follow(kept.followed);
    }
    this.player.set(kept && kept.time !== null ? this.nearest(kept.time) : this.time.length - 1);
  };

  Motion.prototype.numbers = function() {
    var realization = this.spec.numbers[this.realization];
    function shown(line) { return line.realization === undefined || line.realization === realization; }
    return chorale.table.ofCharts(this.spec.strips.map(function(strip) {
      return Object.assign({}, strip, {lines: strip.lines.filter(shown)});
    }));
  };

  return function(parent, spec) { return new Motion(parent, spec); };
})();
