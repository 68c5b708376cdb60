/* Tokens on a canvas: the circle, or the sphere seen from outside, which turns under the pointer. */
chorale.ball = (function() {
  "use strict";
  var DEPTHS = 32, BARS = 72, UNIT = 32767, RADIUS = {2: 0.66, 3: 0.94}, PIXELS = 240;

  /* The pixels of a dot with a rim: at the front, or fainter and smaller behind. They are blended by hand: a software
     canvas takes thirty times as long to stamp so many small pictures. */
  function stamp(colour, rim, radius, alpha) {
    var canvas = document.createElement("canvas"), size = Math.ceil(2 * radius + 3),
        context = canvas.getContext("2d");
    canvas.width = canvas.height = size;
    context.globalAlpha = alpha;
    context.beginPath();
    context.arc(size / 2, size / 2, radius, 0, 2 * Math.PI);
    context.fillStyle = colour;
    context.fill();
    if (rim) {
      context.strokeStyle = rim;
      context.lineWidth = 0.8;
      context.stroke();
    }
    return {size: size, data: context.getImageData(0, 0, size, size).data};
  }

  /* A dot over an opaque image, whose middle is at a pixel. */
  function blend(image, dot, x, y) {
    var left = Math.round(x - dot.size / 2), top = Math.round(y - dot.size / 2), wide = image.width, to = image.data,
        from = dot.data;
    if (left < 0 || top < 0 || left + dot.size > wide || top + dot.size > image.height) return;
    for (var j = 0, k = 0; j < dot.size; j++) {
      for (var at = 4 * ((top + j) * wide + left), end = at + 4 * dot.size; at < end; at += 4, k += 4) {
        var share = from[k + 3] / 255;
        if (!share) continue;
        to[at] += share * (from[k] - to[at]);
        to[at + 1] += share * (from[k + 1] - to[at + 1]);
        to[at + 2] += share * (from[k + 2] - to[at + 2]);
      }
    }
  }

  function Ball(canvas, dim) {
    this.canvas = canvas;
    this.dim = Math.min(3, dim);
    this.context = canvas.getContext("2d", {willReadFrequently: true});
    this.angles = [0, 0];
    this.projection = d3.geoOrthographic().precision(0.5);
    this.path = d3.geoPath(this.projection, this.context);
    this.lines = d3.geoGraticule().step([30, 30])();
    this.turn([0, 0]);
  }

  /* Longitude and latitude by which the sphere is turned, in degrees. */
  Ball.prototype.turn = function(angles) {
    this.angles = [angles[0], Math.max(-90, Math.min(90, angles[1]))];
    this.projection.rotate(this.angles);
    var rotate = d3.geoRotation(this.angles), rows = [[], [], []];
    /* Where the three axes go: to the right, up, towards the viewer. */
    [[0, 0], [90, 0], [0, 90]].forEach(function(place) {
      var seen = rotate(place), l = seen[0] * Math.PI / 180, p = seen[1] * Math.PI / 180;
      rows[0].push(Math.cos(p) * Math.sin(l));
      rows[1].push(Math.sin(p));
      rows[2].push(Math.cos(p) * Math.cos(l));
    });
    this.rows = rows;
    this.scene = null; /* the picture without tokens, until it has to be drawn anew */
  };

  Ball.prototype.size = function(width) {
    var sharp = Math.min(2, window.devicePixelRatio || 1);
    this.canvas.style.width = this.canvas.style.height = width + "px";
    this.canvas.width = this.canvas.height = Math.round(width * sharp);
    this.sharp = sharp;
    this.middle = this.canvas.width / 2;
    this.radius = this.middle * RADIUS[this.dim];
    this.scene = null;
    this.projection.scale(this.radius).translate([this.middle, this.middle]);
  };

  /* Colours of the tokens: a number into `colours` for each. */
  Ball.prototype.paint = function(colours, numbers) {
    var rim = chorale.palette().paper, count = numbers.length;
    var radius = this.sharp * Math.max(1.6, Math.min(5, 130 / Math.sqrt(count)));
    this.numbers = numbers;
    this.scene = null;
    this.front = colours.map(function(colour) { return stamp(colour, count > 3000 ? null : rim, radius, 1); });
    this.behind = colours.map(function(colour) { return stamp(colour, null, 0.72 * radius, 0.3); });
  };

  Ball.prototype.stage = function() {
    var context = this.context, colours = chorale.palette(), m = this.middle, r = this.radius;
    context.fillStyle = colours.paper;
    context.fillRect(0, 0, 2 * m, 2 * m);
    var shade = context.createRadialGradient(m - 0.35 * r, m - 0.4 * r, 0.1 * r, m, m, 1.05 * r);
    shade.addColorStop(0, this.dim === 2 ? colours.panel : colours.ball[1]);
    shade.addColorStop(1, this.dim === 2 ? colours.panel : colours.ball[0]);
    context.beginPath();
    context.arc(m, m, r, 0, 2 * Math.PI);
    context.fillStyle = shade;
    context.fill();
    if (this.texture) this.wrap();
    context.lineWidth = this.sharp;
    context.strokeStyle = colours.soft;
    context.stroke();
    if (this.dim === 3) this.net();
  };

  /* Parallels and meridians, those behind fainter. */
  Ball.prototype.net = function() {
    var context = this.context;
    [[null, 0.12], [90, 0.28]].forEach(function(way) {
      this.projection.clipAngle(way[0]);
      context.beginPath();
      this.path(this.lines);
      context.globalAlpha = way[1];
      context.lineWidth = 0.7 * this.sharp;
      context.stroke();
    }, this);
    context.globalAlpha = 1;
  };

  /* texture(longitude, latitude) in radians says [r, g, b]; on the circle texture(angle) a share of the largest
   * length. */
  Ball.prototype.wrap = function() {
    if (this.dim === 2) {
      this.ring(this.texture);
      return;
    }
    var size = PIXELS, context = this.context, rows = this.rows, r = this.radius, m = this.middle;
    this.sheet = this.sheet || document.createElement("canvas");
    this.sheet.width = this.sheet.height = size;
    var brush = this.sheet.getContext("2d"), image = brush.createImageData(size, size), at = 0;
    for (var j = 0; j < size; j++)
      for (var i = 0; i < size; i++, at += 4) {
        var right = 2 * (i + 0.5) / size - 1, up = 1 - 2 * (j + 0.5) / size, rest = 1 - right * right - up * up;
        if (rest < 0) continue;
        var near = Math.sqrt(rest);
        var x = rows[0][0] * right + rows[1][0] * up + rows[2][0] * near;
        var y = rows[0][1] * right + rows[1][1] * up + rows[2][1] * near;
        var z = rows[0][2] * right + rows[1][2] * up + rows[2][2] * near;
        var colour = this.texture(Math.atan2(y, x), Math.asin(Math.max(-1, Math.min(1, z))));
        image.data[at] = colour[0];
        image.data[at + 1] = colour[1];
        image.data[at + 2] = colour[2];
        image.data[at + 3] = 255;
      }
    brush.putImageData(image, 0, 0);
    context.save();
    context.clip();
    context.drawImage(this.sheet, m - r, m - r, 2 * r, 2 * r);
    context.restore();
    context.beginPath();
    context.arc(m, m, r, 0, 2 * Math.PI);
  };

  /* Outside the circle, lengths by angle. */
  Ball.prototype.ring = function(length) {
    var context = this.context, m = this.middle, r = this.radius, room = 0.46 * r, n = 360;
    context.save();
    context.beginPath();
    for (var i = 0; i <= n; i++) {
      var angle = 2 * Math.PI * i / n, far = 1.07 * r + room * length(angle);
      context.lineTo(m + far * Math.cos(angle), m - far * Math.sin(angle));
    }
    context.arc(m, m, 1.07 * r, 0, 2 * Math.PI, false);
    context.fillStyle = chorale.palette().blue;
    context.globalAlpha = 0.5;
    context.fill("evenodd");
    context.restore();
    context.beginPath();
    context.arc(m, m, r, 0, 2 * Math.PI);
  };

  /* How many tokens there are around the circle: bars whose length is the root of their share. */
  Ball.prototype.bars = function(positions, first) {
    var counts = new Float64Array(BARS), count = this.numbers.length, context = this.context, r = this.radius,
        m = this.middle;
    for (var i = 0; i < count; i++) {
      var angle = Math.atan2(positions[first + 2 * i + 1], positions[first + 2 * i]);
      counts[Math.min(BARS - 1, Math.floor((angle + Math.PI) / (2 * Math.PI) * BARS))]++;
    }
    context.strokeStyle = chorale.palette().faint;
    context.lineWidth = 3.2 * this.sharp;
    counts.forEach(function(found, k) {
      if (!found) return;
      var angle = (k + 0.5) / BARS * 2 * Math.PI - Math.PI, far = 1.07 * r + 0.42 * r * Math.sqrt(found / count);
      context.beginPath();
      context.moveTo(m + 1.07 * r * Math.cos(angle), m - 1.07 * r * Math.sin(angle));
      context.lineTo(m + far * Math.cos(angle), m - far * Math.sin(angle));
      context.stroke();
    });
  };

  /* [right, down, depth] on the canvas of the token at an offset of the positions. */
  Ball.prototype.place = function(positions, offset) {
    var scale = this.radius / UNIT, rows = this.rows, m = this.middle, x = positions[offset],
        y = positions[offset + 1];
    if (this.dim === 2) return [m + scale * x, m - scale * y, 1];
    var z = positions[offset + 2];
    return [
      m + scale * (rows[0][0] * x + rows[0][1] * y + rows[0][2] * z),
      m - scale * (rows[1][0] * x + rows[1][1] * y + rows[1][2] * z),
      (rows[2][0] * x + rows[2][1] * y + rows[2][2] * z) / UNIT
    ];
  };

  /* Places of the tokens of a frame, and their order, the nearest last. */
  Ball.prototype.sort = function(positions, first) {
    var count = this.numbers.length, k = this.dim, starts = new Uint32Array(DEPTHS + 1), i;
    if (!this.seen || this.seen.length !== 3 * count) {
      this.seen = new Float32Array(3 * count);
      this.bins = new Uint8Array(count);
      this.order = new Uint32Array(count);
    }
    for (i = 0; i < count; i++) {
      var at = this.place(positions, first + k * i);
      this.seen[3 * i] = at[0];
      this.seen[3 * i + 1] = at[1];
      this.seen[3 * i + 2] = at[2];
      this.bins[i] = Math.max(0, Math.min(DEPTHS - 1, Math.floor((at[2] + 1) / 2 * DEPTHS)));
      starts[this.bins[i] + 1]++;
    }
    for (i = 0; i < DEPTHS; i++) starts[i + 1] += starts[i];
    for (i = 0; i < count; i++) this.order[starts[this.bins[i]]++] = i;
  };

  Ball.prototype.draw = function(positions, frame) {
    var count = this.numbers.length, first = frame * count * this.dim, width = this.canvas.width;
    if (!this.scene || this.texture) {
      this.stage();
      this.scene = this.context.getImageData(0, 0, width, width);
      this.image = this.context.createImageData(width, width);
    }
    this.image.data.set(this.scene.data);
    this.sort(positions, first);
    for (var i = 0; i < count; i++) {
      var token = this.order[i], stamps = this.bins[token] < DEPTHS / 2 ? this.behind : this.front;
      blend(this.image, stamps[this.numbers[token]], this.seen[3 * token], this.seen[3 * token + 1]);
    }
    this.context.putImageData(this.image, 0, 0);
    if (this.dim === 2 && !this.texture) this.bars(positions, first);
  };

  /* The way of a token through the frames: until now, and faintly what comes. */
  Ball.prototype.trail = function(positions, token, frame, frames) {
    var context = this.context, count = this.numbers.length, k = this.dim, colours = chorale.palette(), before = null;
    context.lineCap = "round";
    for (var f = 0; f < frames; f++) {
      var now = this.place(positions, (f * count + token) * k);
      if (before) {
        var behind = before[2] + now[2] < 0;
        context.strokeStyle = f <= frame ? colours.alarm : colours.soft;
        context.globalAlpha = (f <= frame ? 1 : 0.5) * (behind ? 0.4 : 1);
        context.lineWidth = (f <= frame ? 2.4 : 1) * this.sharp;
        context.beginPath();
        context.moveTo(before[0], before[1]);
        context.lineTo(now[0], now[1]);
        context.stroke();
      }
      before = now;
    }
    var here = this.place(positions, (frame * count + token) * k);
    context.globalAlpha = 1;
    context.beginPath();
    context.arc(here[0], here[1], 6 * this.sharp, 0, 2 * Math.PI);
    context.fillStyle = colours.alarm;
    context.fill();
    context.strokeStyle = colours.paper;
    context.lineWidth = 1.5 * this.sharp;
    context.stroke();
  };

  /* The token under a place of the page, -1 without one. */
  Ball.prototype.under = function(event) {
    var box = this.canvas.getBoundingClientRect(), best = -1, least = 14 * this.sharp;
    var x = (event.clientX - box.left) * this.sharp, y = (event.clientY - box.top) * this.sharp;
    for (var i = 0; i < this.numbers.length; i++) {
      if (this.seen[3 * i + 2] < 0) continue;
      var far = Math.hypot(this.seen[3 * i] - x, this.seen[3 * i + 1] - y);
      if (far < least) {
        least = far;
        best = i;
      }
    }
    return best;
  };

  /* Turned by the pointer; a press without a move is act(event). */
  Ball.prototype.grip = function(redraw, act) {
    var self = this, canvas = this.canvas, from = null, moved = 0;
    canvas.style.touchAction = "pan-y"; /* a phone scrolls past it */
    canvas.addEventListener("pointerdown", function(event) {
      from = [event.clientX, event.clientY];
      moved = 0;
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", function(event) {
      if (!from) return;
      var dx = event.clientX - from[0], dy = event.clientY - from[1], scale = 57 * self.sharp / self.radius;
      moved += Math.abs(dx) + Math.abs(dy);
      from = [event.clientX, event.clientY];
      if (self.dim === 2) return;
      self.turn([self.angles[0] + scale * dx, self.angles[1] - scale * dy]);
      redraw();
    });
    canvas.addEventListener("pointerup", function(event) {
      if (from && moved < 5) act(event);
      from = null;
    });
  };

  return function(canvas, dim) { return new Ball(canvas, dim); };
})();
