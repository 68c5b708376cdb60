/* Maps of cells: values beside the pointer, and the curve of a cell after a click or by the arrows. */
chorale.heat = (function() {
  "use strict";
  var MARGIN = {right: 12, top: 6, bottom: 50}, ROW = 26, STEPS = 24, SIGN = 7;

  function Heat(parent, spec) {
    var self = this;
    this.spec = spec;
    this.wide = spec.x.values.length;
    this.tall = spec.y.values.length;
    this.left = (spec.y.label ? 34 : 14) +
                SIGN * Math.max(4, d3.max(spec.y.values, function(value) { return value.length; }));
    this.panel = spec.panels[0];
    this.values = chorale.unpack(this.panel.values);
    chorale.make(parent, "h4", "", spec.title);
    if (spec.panels.length > 1) {
      var names = spec.panels.map(function(panel, i) { return [i, panel.name]; });
      chorale.choice(chorale.make(parent, "div", "controls"), "shown", names, 0,
                     function(value) { self.choose(spec.panels[Number(value)]); });
    }
    var box = chorale.make(parent, "div", "heat");
    this.box = chorale.make(box, "div", "map");
    this.svg = d3.select(this.box).append("svg").attr("role", "img").attr("tabindex", 0);
    this.key = chorale.make(this.box, "div", "key");
    if (spec.curves.length) chorale.make(this.box, "p", "soft", "A click on a cell, or the arrows, show its curve.");
    this.side = chorale.make(box, "div", "cell");
    this.listen();
    chorale.draws(this.box, function() { self.draw(); });
    this.choose(this.panel);
    chorale.table(parent, function() { return chorale.table.ofMap(spec, self.panel); });
  }

  Heat.prototype.choose = function(panel) {
    this.panel = panel;
    this.values = chorale.unpack(panel.values);
    this.box.parentNode.classList.toggle("alone", panel.cells === undefined);
    this.draw();
    if (panel.cells !== undefined) this.select(...(this.cell || [this.wide - 1, this.tall - 1]));
  };

  Heat.prototype.value = function(i, j) { return this.values[i * this.tall + j]; };

  Heat.prototype.phase = function(i, j) { return this.panel.phases ? this.panel.phases.cells[i][j] : null; };

  /* From a value to a place from 0 to 1 among the colours, and the colours. */
  Heat.prototype.scale = function() {
    var seen = [], log = this.panel.log, self = this;
    for (var i = 0; i < this.wide; i++)
      for (var j = 0; j < this.tall; j++) {
        var value = this.value(i, j);
        if (isFinite(value) && this.phase(i, j) === null && (!log || value > 0)) seen.push(value);
      }
    var low = d3.min(seen), high = d3.max(seen);
    this.ends = [low, high];
    this.twoSided = !log && low < 0 && high > 0;
    if (this.twoSided) {
      high = Math.max(high, -low);
      low = -high;
      this.ends = [low, high];
    }
    var place = (log ? d3.scaleLog() : d3.scaleLinear()).domain(low === high ? [low, low * 2 + 1] : [low, high]);
    this.place = place;
    return function(value) {
      if (!isFinite(value) || log && !(value > 0)) return chorale.palette().panel;
      return self.shade(place(value));
    };
  };

  Heat.prototype.shade = function(share) {
    return this.twoSided ? d3.interpolateRdBu(1 - share) : chorale.ordered(share);
  };

  Heat.prototype.draw = function() {
    var width = this.box.clientWidth, spec = this.spec, colours = chorale.palette();
    if (!width) return;
    var wide = width - this.left - MARGIN.right, high = Math.max(150, Math.min(420, this.tall * ROW, 0.9 * wide));
    if (this.tall > 12) high = Math.min(420, Math.max(240, 0.75 * wide));
    this.step = [wide / this.wide, high / this.tall];
    this.high = high;
    this.svg.attr("width", width).attr("height", high + MARGIN.top + MARGIN.bottom).selectAll("*").remove();
    this.svg.attr("aria-label", spec.title + ", " + this.panel.label + " by " + spec.x.label + " and " +
                                    spec.y.label + ". Arrows go from cell to cell.");
    var plot = this.plot = this.svg.append("g").attr("transform", "translate(" + this.left + "," + MARGIN.top + ")");
    this.cells(plot, this.scale());
    this.ticks(plot, spec.x.values, this.step[0], true, 52);
    this.ticks(plot, spec.y.values, this.step[1], false, 17);
    function label(text, x, y, turn) {
      plot.append("text")
          .attr("text-anchor", "middle")
          .attr("fill", colours.ink)
          .attr("font-size", 13)
          .attr("transform", "translate(" + x + "," + y + ")rotate(" + turn + ")")
          .text(text);
    }
    label(spec.x.label, wide / 2, high + 40, 0);
    label(spec.y.label, 16 - this.left, high / 2, -90);
    this.outline = plot.append("rect")
                       .attr("fill", "none")
                       .attr("stroke", colours.alarm)
                       .attr("stroke-width", 2.6)
                       .style("display", "none");
    this.legend();
    if (this.cell && this.panel.cells !== undefined) this.surround();
  };

  /* A picture of one pixel for each cell, stretched. */
  Heat.prototype.cells = function(plot, colourOf) {
    var canvas = document.createElement("canvas"), phases = chorale.palette().phases;
    canvas.width = Math.max(1, this.wide * 8);
    canvas.height = Math.max(1, this.tall * 8);
    var context = canvas.getContext("2d");
    for (var i = 0; i < this.wide; i++)
      for (var j = 0; j < this.tall; j++) {
        var phase = this.phase(i, j);
        context.fillStyle = phase === null ? colourOf(this.value(i, j)) : phases[phase];
        context.fillRect(8 * i, 8 * (this.tall - 1 - j), 8, 8);
      }
    plot.append("image")
        .attr("width", this.step[0] * this.wide)
        .attr("height", this.high)
        .attr("preserveAspectRatio", "none")
        .attr("href", canvas.toDataURL());
  };

  Heat.prototype.ticks = function(plot, values, step, across, room) {
    var every = Math.ceil(room / step), colours = chorale.palette(), high = this.high;
    values.forEach(function(value, i) {
      if (i % every) return;
      var at = (i + 0.5) * step,
          text = plot.append("text").attr("fill", colours.soft).attr("font-size", 12).text(value);
      if (across)
        text.attr("x", at).attr("y", high + 18).attr("text-anchor", "middle");
      else
        text.attr("x", -7).attr("y", high - at + 4).attr("text-anchor", "end");
    });
  };

  Heat.prototype.legend = function() {
    var key = this.key, self = this, phases = this.panel.phases;
    key.textContent = "";
    chorale.make(key, "b", "", this.panel.label);
    if (this.ends[0] !== undefined) {
      var stops = d3.range(STEPS + 1).map(function(i) { return self.shade(i / STEPS); }),
          middle = this.place.invert(0.5);
      var bar = chorale.make(key, "span", "bar");
      chorale.make(bar, "span", "", chorale.number(this.ends[0], 3));
      chorale.make(bar, "i", "ramp").style.background = "linear-gradient(to right," + stops.join(",") + ")";
      chorale.make(bar, "span", "",
                   chorale.number(this.ends[1], 3) +
                       (this.panel.log ? " (log; middle " + chorale.number(middle, 2) + ")" : ""));
    }
    if (phases)
      phases.names.forEach(function(name, i) {
        var one = chorale.make(key, "span", "swatch square");
        chorale.make(one, "i").style.background = chorale.palette().phases[i];
        one.appendChild(document.createTextNode(name));
      });
  };

  Heat.prototype.words = function(i, j) {
    var spec = this.spec, phase = this.phase(i, j),
        value = this.panel.label + " = " + chorale.number(this.value(i, j), 6);
    var up = (spec.y.label && spec.y.label + " = ") + spec.y.values[j];
    return [spec.x.label + " = " + spec.x.values[i], up, value].concat(
        phase === null ? [] : [this.panel.phases.names[phase]]);
  };

  Heat.prototype.surround = function() {
    var i = this.cell[0], j = this.cell[1];
    this.outline.style("display", null)
        .attr("x", i * this.step[0])
        .attr("y", this.high - (j + 1) * this.step[1])
        .attr("width", this.step[0])
        .attr("height", this.step[1]);
  };

  /* The curve of a cell. */
  Heat.prototype.select = function(i, j) {
    var panel = this.panel, tall = this.tall;
    this.cell = [Math.max(0, Math.min(this.wide - 1, i)), Math.max(0, Math.min(this.tall - 1, j))];
    if (panel.cells === undefined) return;
    var cell = this.cell, shown = this.spec.curves[panel.cells];
    function part(piece) { /* of all cells, of their column, or of each */
      var long = piece.shape[piece.shape.length - 1],
          place = [0, cell[0], cell[0] * tall + cell[1]][piece.shape.length - 1];
      return chorale.unpack(piece).subarray(place * long, (place + 1) * long);
    }
    function packed(values) { return {type: "f8", shape: [values.length], values: values, bytes: ""}; }
    var lines = shown.curves.map(function(curve) {
      return Object.assign({}, curve, {x: packed(part(shown.at)), y: packed(part(curve.y))});
    });
    var title = this.words(cell[0], cell[1]).slice(0, 2).join(", ");
    this.surround();
    this.side.textContent = "";
    var spec = {title: title, x: shown.x, y: shown.y, named: true, lines: lines};
    this.chart = chorale.chart(this.side, spec, {height: 300});
  };

  Heat.prototype.listen = function() {
    var self = this, node = this.svg.node(),
        moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1]};
    function cellOf(event) {
      var box = node.getBoundingClientRect();
      var i = Math.floor((event.clientX - box.left - self.left) / self.step[0]);
      var j = Math.floor((self.high + MARGIN.top - event.clientY + box.top) / self.step[1]);
      return i >= 0 && i < self.wide && j >= 0 && j < self.tall ? [i, j] : null;
    }
    node.addEventListener("pointermove", function(event) {
      var cell = cellOf(event);
      if (cell)
        chorale.tell(event, self.words(cell[0], cell[1]));
      else
        chorale.hush();
    });
    node.addEventListener("pointerleave", chorale.hush);
    node.addEventListener("click", function(event) {
      var cell = cellOf(event);
      if (cell) self.select(cell[0], cell[1]);
    });
    node.addEventListener("keydown", function(event) {
      var by = moves[event.key], cell = self.cell || [0, 0];
      if (!by) return;
      event.preventDefault();
      self.select(cell[0] + by[0], cell[1] + by[1]);
    });
  };

  return function(parent, spec) { return new Heat(parent, spec); };
})();
