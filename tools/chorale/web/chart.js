/* Curves over axes: a legend that switches them, values beside the pointer, a line at the time that is shown. */
chorale.chart = (function() {
  "use strict";
  var DASHES = {dashes: "7 4", dots: "2 3"}, NEAR = 40, FAR = 20;

  function finite(values) {
    return Array.from(values).filter(function(value) { return isFinite(value); });
  }

  /* Whether an axis that may be logarithmic is: "wide" when its positive values fall far. */
  function isLog(axis, values) {
    if (axis.scale === "log" || axis.scale === "count") return values.some(function(value) { return value > 0; });
    if (axis.scale !== "wide") return false;
    return values.every(function(value) { return value > 0; }) && d3.max(values) > FAR * d3.min(values);
  }

  /* The values themselves as ticks, as many as fit. */
  function countTicks(scale, values) {
    var found = [];
    values.slice().sort(d3.ascending).forEach(function(value) {
      if (!found.length || scale(value) - scale(found[found.length - 1]) > 40) found.push(value);
    });
    return found;
  }

  function scaleOf(axis, values, floor) {
    var seen = finite(values), log = isLog(axis, seen), scale;
    if (log) seen = seen.filter(function(value) { return value > 0; });
    var low = d3.min(seen), high = d3.max(seen);
    if (low === undefined) {
      low = 0;
      high = 1;
    }
    if (!log && floor !== undefined && floor !== null) low = Math.min(low, floor);
    if (!log && axis.scale === "wide") low = Math.min(low, 0);
    if (low === high) {
      low = log ? low / 2 : low - 0.5;
      high = log ? high * 2 : high + 0.5;
    }
    scale = log ? d3.scaleLog() : axis.scale === "symlog" ? d3.scaleSymlog().constant(0.01) : d3.scaleLinear();
    scale.log = log;
    return scale.domain([low, high]);
  }

  /* Some room beyond the ends of the vertical axis. */
  function loosen(scale) {
    var ends = scale.domain(), more = 0.06;
    if (scale.log) {
      var factor = Math.pow(ends[1] / ends[0], more);
      return scale.domain([ends[0] / factor, ends[1] * factor]);
    }
    var room = more * (ends[1] - ends[0]);
    return scale.domain([ends[0] === 0 ? 0 : ends[0] - room, ends[1] + room]);
  }

  function ticks(scale, count) {
    var ends = scale.domain();
    if (!scale.log) {
      if (!scale.constant) return scale.ticks(count);
      var sizes = d3.range(-2, 7).map(function(e) { return Math.pow(10, e); });
      var every = sizes.map(function(size) { return -size; }).reverse().concat([0], sizes);
      return every.filter(function(value) { return value >= ends[0] && value <= ends[1]; });
    }
    var first = Math.ceil(Math.log10(ends[0]) - 1e-9), last = Math.floor(Math.log10(ends[1]) + 1e-9), found = [];
    var every = Math.max(1, Math.ceil((last - first + 1) / count));
    for (var e = first; e <= last; e += every) found.push(Math.pow(10, e));
    if (found.length > 2) return found;
    found = [];
    for (e = first - 1; e <= last; e++) [1, 2, 5].forEach(function(digit) { found.push(digit * Math.pow(10, e)); });
    found = found.filter(function(value) { return value >= ends[0] && value <= ends[1]; });
    return found.length > 1 ? found : d3.scaleLinear().domain(ends).ticks(Math.min(4, count));
  }

  function tickWords(scale) {
    return function(value) {
      var exponent = Math.log10(Math.abs(value));
      if (scale.log && Math.abs(exponent - Math.round(exponent)) < 1e-9 && Math.abs(exponent) > 2.5)
        return chorale.power(Math.round(exponent));
      return chorale.number(value, 6);
    };
  }

  /* A chart in `parent`; more: height, pick(x) after a click, realization whose curves alone are drawn. */
  function Chart(parent, spec, more) {
    var self = this;
    this.spec = spec;
    this.more = more || {};
    this.hidden = {}; /* names that are switched off */
    this.realization = this.more.realization;
    this.box = chorale.make(parent, "div", "chart");
    if (spec.title) chorale.make(this.box, "h4", "", spec.title);
    this.svg = d3.select(this.box).append("svg").attr("role", "img").attr("aria-label", this.says());
    this.legend = chorale.make(this.box, "div", "legend");
    this.lines = spec.lines.map(function(line) {
      return {
        spec: line,
        x: chorale.unpack(line.x),
        y: chorale.unpack(line.y),
        low: line.low && chorale.unpack(line.low),
        high: line.low && chorale.unpack(line.high)
      };
    });
    chorale.draws(this.box, function() { self.draw(); });
  }

  Chart.prototype.says = function() {
    var spec = this.spec, names = spec.lines.map(function(line) { return line.name; }).join(", ");
    return (spec.title || spec.y.label) + ": " + spec.y.label + " over " + spec.x.label + ". Curves: " + names +
           ". The table below has the numbers.";
  };

  /* Curves that are drawn: of the chosen realization, and switched on. */
  Chart.prototype.inUse = function() {
    var self = this;
    return this.lines.filter(function(line) {
      return line.spec.realization === undefined || self.realization === undefined ||
             line.spec.realization === self.realization;
    });
  };

  Chart.prototype.shown = function() {
    var self = this;
    return this.inUse().filter(function(line) { return !self.hidden[line.spec.name]; });
  };

  Chart.prototype.show = function(realization) {
    this.realization = realization;
    this.draw();
  };

  Chart.prototype.scales = function(wide, high) {
    var xs = [], ys = [], spec = this.spec;
    this.shown().forEach(function(line) {
      xs = xs.concat(finite(line.x));
      ys = ys.concat(finite(line.y));
      if (line.low && spec.y.scale !== "log") ys = ys.concat(finite(line.low), finite(line.high));
    });
    this.x = scaleOf(spec.x, xs).range([0, wide]);
    if (spec.x.scale === "count") this.x.counts = this.counts();
    this.y = loosen(scaleOf(spec.y, ys, spec.floor)).range([high, 0]);
    var ends = this.y.domain();
    if (spec.ceiling !== undefined && ends[1] > spec.ceiling) this.y.domain([ends[0], spec.ceiling * 1.03]);
    if (spec.y.scale === "log" && spec.floor > ends[0])
      this.y.domain([0.9 * spec.floor, Math.max(ends[1], 2 * spec.floor)]);
    if (this.x.log && this.shown().some(function(line) { return line.spec.look === "points"; })) loosen(this.x);
  };

  /* Where points were measured, or curves have their vertices. */
  Chart.prototype.counts = function() {
    var shown = this.shown(), points = shown.filter(function(line) { return line.spec.look === "points"; });
    return d3.merge((points.length ? points : shown).map(function(line) { return finite(line.x); }));
  };

  Chart.prototype.draw = function() {
    var width = this.box.clientWidth, height = this.more.height || Math.max(240, Math.min(400, 0.56 * width));
    var margin = {left: 64, right: 14, top: 8, bottom: this.more.bare ? 8 : 44}, colours = chorale.palette();
    if (this.more.bare) height -= 36;
    var wide = Math.max(60, width - margin.left - margin.right), high = height - margin.top - margin.bottom;
    this.scales(wide, high);
    this.svg.attr("width", width).attr("height", height).selectAll("*").remove();
    var plot = this.svg.append("g").attr("transform", "translate(" + margin.left + "," + margin.top + ")");
    this.axes(plot, wide, high, colours);
    var clip = "clip" + Math.random().toString(36).slice(2);
    plot.append("clipPath").attr("id", clip).append("rect").attr("width", wide).attr("height", high + 1);
    this.plot = plot.append("g").attr("clip-path", "url(#" + clip + ")");
    this.shown().forEach(this.curve, this);
    this.mark = plot.append("line")
                    .attr("y2", high)
                    .attr("stroke", colours.alarm)
                    .attr("stroke-width", 1.8)
                    .style("display", "none");
    this.dot = plot.append("circle")
                   .attr("r", 5)
                   .attr("fill", "none")
                   .attr("stroke", colours.ink)
                   .attr("stroke-width", 1.6)
                   .style("display", "none");
    this.listen(plot.append("rect").attr("width", wide).attr("height", high).attr("fill", "transparent"));
    this.switches();
    if (this.at !== undefined) this.cursor(this.at);
  };

  Chart.prototype.axes = function(plot, wide, high, colours) {
    var across =
            this.x.counts ? countTicks(this.x, this.x.counts) : ticks(this.x, Math.max(2, Math.floor(wide / 80))),
        up = ticks(this.y, Math.max(2, Math.floor(high / 42)));
    var bare = this.more.bare;
    plot.append("g")
        .attr("stroke", colours.grid)
        .selectAll("line")
        .data(up)
        .enter()
        .append("line")
        .attr("x2", wide)
        .attr("y1", this.y)
        .attr("y2", this.y);
    plot.append("g")
        .attr("class", "axis")
        .attr("transform", "translate(0," + high + ")")
        .call(d3.axisBottom(this.x)
                  .tickValues(across)
                  .tickFormat(bare ? function() { return ""; } : tickWords(this.x))
                  .tickSizeOuter(0));
    plot.append("g")
        .attr("class", "axis")
        .call(d3.axisLeft(this.y).tickValues(up).tickFormat(tickWords(this.y)).tickSizeOuter(0));
    plot.selectAll(".axis path,.axis line").attr("stroke", colours.faint);
    plot.selectAll(".axis text").attr("fill", colours.soft).attr("font-size", 12);
    function label(text, x, y, turn) {
      return plot.append("text")
          .attr("class", "label")
          .attr("fill", colours.ink)
          .attr("font-size", 13)
          .attr("text-anchor", "middle")
          .attr("transform", "translate(" + x + "," + y + ")rotate(" + turn + ")")
          .text(text);
    }
    if (!bare) label(this.spec.x.label, wide / 2, high + 38, 0);
    label(this.spec.y.label, -50, high / 2, -90);
  };

  Chart.prototype.curve = function(line) {
    var x = this.x, y = this.y, look = line.spec.look, colour = chorale.colour(line.spec.colour);
    var every = Array.from(line.x, function(_, i) { return i; });
    function there(values) {
      return function(i) {
        return isFinite(values[i]) && isFinite(line.x[i]) && (!y.log || values[i] > 0) && (!x.log || line.x[i] > 0);
      };
    }
    function across(i) { return x(line.x[i]); }
    function up(i) { return y(line.y[i]); }
    function end(values) {
      return function(i) { return y(y.log ? Math.max(values[i], y.domain()[0] / 10) : values[i]); };
    }
    var group = this.plot.append("g"), bounds = line.low && there(line.low);
    if (look === "points") {
      var seen = every.filter(there(line.y));
      if (line.low)
        group.selectAll("path")
            .data(seen.filter(there(line.high)))
            .enter()
            .append("path")
            .attr("stroke", colour)
            .attr("stroke-width", 1.4)
            .attr("d", function(i) { return "M" + across(i) + "," + end(line.low)(i) + "V" + end(line.high)(i); });
      group.selectAll("circle")
          .data(seen)
          .enter()
          .append("circle")
          .attr("cx", across)
          .attr("cy", up)
          .attr("r", 4)
          .attr("fill", colour)
          .attr("stroke", chorale.palette().paper);
      return;
    }
    if (line.low)
      group.append("path")
          .attr("fill", colour)
          .attr("opacity", 0.22)
          .attr("d", d3.area().defined(bounds).x(across).y0(end(line.low)).y1(end(line.high))(every));
    group.append("path")
        .attr("fill", "none")
        .attr("stroke", colour)
        .attr("stroke-width", line.spec.thin ? 1 : 2.2)
        .attr("stroke-dasharray", DASHES[look] || null)
        .attr("stroke-linejoin", "round")
        .attr("d", d3.line().defined(there(line.y)).x(across).y(up)(every));
  };

  /* The point nearest to the pointer. */
  Chart.prototype.nearest = function(px, py) {
    var best = null, least = NEAR * NEAR, x = this.x, y = this.y;
    this.shown().forEach(function(line) {
      for (var i = 0; i < line.x.length; i++) {
        var dx = x(line.x[i]) - px, dy = y(line.y[i]) - py, far = dx * dx + 0.25 * dy * dy;
        if (far < least) {
          least = far;
          best = {line: line, i: i};
        }
      }
    });
    return best;
  };

  Chart.prototype.words = function(found) {
    var line = found.line, i = found.i, spec = this.spec, lines = [line.spec.name || spec.y.label];
    lines.push(spec.x.label + " = " + chorale.number(line.x[i], 6),
               spec.y.label + " = " + chorale.number(line.y[i], 6));
    if (line.low && isFinite(line.low[i]))
      lines.push("95%: " + chorale.number(line.low[i]) + " to " + chorale.number(line.high[i]));
    if (line.spec.about) lines.push(line.spec.about);
    return lines;
  };

  Chart.prototype.listen = function(rect) {
    var self = this, held = false, node = rect.node();
    function pick(event) {
      var left = node.getBoundingClientRect().left;
      if (self.more.pick) self.more.pick(self.x.invert(event.clientX - left));
    }
    if (this.more.pick) rect.style("cursor", "col-resize").style("touch-action", "pan-y");
    node.addEventListener("pointermove", function(event) {
      var box = node.getBoundingClientRect(), found = self.nearest(event.clientX - box.left, event.clientY - box.top);
      self.dot.style("display", found ? null : "none");
      if (held) pick(event);
      if (!found) {
        chorale.hush();
        return;
      }
      self.dot.attr("cx", self.x(found.line.x[found.i])).attr("cy", self.y(found.line.y[found.i]));
      chorale.tell(event, self.words(found));
    });
    node.addEventListener("pointerdown", function(event) {
      held = true;
      node.setPointerCapture(event.pointerId);
      pick(event);
    });
    node.addEventListener("pointerup", function() { held = false; });
    node.addEventListener("pointerleave", function() {
      self.dot.style("display", "none");
      chorale.hush();
    });
  };

  /* A line at x. */
  Chart.prototype.cursor = function(at) {
    this.at = at;
    var place = this.x(at), inside = isFinite(place) && place >= -1;
    this.mark.style("display", inside ? null : "none");
    if (inside) this.mark.attr("x1", place).attr("x2", place);
  };

  /* A button for each name, which switches all curves of it. */
  Chart.prototype.switches = function() {
    var self = this, named = [];
    this.legend.textContent = "";
    this.inUse().forEach(function(line) {
      if (!named.some(function(other) { return other.spec.name === line.spec.name; })) named.push(line);
    });
    if (named.length < 2 && !this.spec.named) return;
    named.forEach(function(line, i) {
      var button = chorale.make(self.legend, "button"), name = line.spec.name;
      button.type = "button";
      button.setAttribute("aria-pressed", String(!self.hidden[name]));
      sign(button, line.spec);
      chorale.make(button, "span", "", name);
      button.addEventListener("click", function() {
        self.hidden[name] = !self.hidden[name];
        self.draw();
        self.legend.children[i].focus();
      });
    });
  };

  function sign(button, line) {
    var drawn = d3.select(button).append("svg").attr("width", 26).attr("height", 12).attr("aria-hidden", "true");
    var colour = chorale.colour(line.colour);
    if (line.look === "points")
      drawn.append("circle").attr("cx", 13).attr("cy", 6).attr("r", 4.5).attr("fill", colour);
    else
      drawn.append("line")
          .attr("x1", 1)
          .attr("x2", 25)
          .attr("y1", 6)
          .attr("y2", 6)
          .attr("stroke", colour)
          .attr("stroke-width", 2.6)
          .attr("stroke-dasharray", DASHES[line.look] || null);
  }

  return function(parent, spec, more) { return new Chart(parent, spec, more); };
})();
