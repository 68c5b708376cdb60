/* The numbers behind a figure, as a table that is made when it is opened. */
chorale.table = (function() {
  "use strict";
  var MOST = 2000;

  function same(a, b) {
    return a.length === b.length &&
           a.every(function(value, i) { return value === b[i] || isNaN(value) && isNaN(b[i]); });
  }

  /* {heads, rows} of charts: one row for each place where all their curves have the same ones, else one for each
   * point. */
  function ofCharts(charts) {
    var curves = [];
    charts.forEach(function(chart) {
      chart.lines.forEach(function(line) {
        curves.push({
          name: line.about && line.thin ? line.about : line.name,
          label: chart.y.label,
          line: line,
          x: chorale.unpack(line.x),
          y: chorale.unpack(line.y)
        });
      });
    });
    curves = curves.filter(function(curve) { return curve.line.look !== "dots" || charts.length === 1; });
    if (!curves.length) return {heads: [], rows: []};
    if (curves.every(function(curve) { return same(curve.x, curves[0].x); })) {
      return {
        heads: [charts[0].x.label].concat(curves.map(function(curve) { return curve.name || curve.label; })),
        rows: Array.from(curves[0].x,
                         function(x, i) { return [x].concat(curves.map(function(curve) { return curve.y[i]; })); })
      };
    }
    var rows = [];
    curves.forEach(function(curve) {
      var low = curve.line.low && chorale.unpack(curve.line.low), high = low && chorale.unpack(curve.line.high);
      curve.x.forEach(function(x, i) {
        rows.push([curve.name || curve.label, x, curve.y[i], low ? low[i] : NaN, high ? high[i] : NaN]);
      });
    });
    return {heads: ["curve", charts[0].x.label, charts[0].y.label, "95% from", "to"], rows: rows};
  }

  /* {heads, rows} of a panel of a map. */
  function ofMap(map, panel) {
    var values = chorale.unpack(panel.values), tall = map.y.values.length;
    return {
      heads: [map.y.label + " \\ " + map.x.label].concat(map.x.values),
      rows: map.y.values.map(function(name, j) {
        return [name].concat(map.x.values.map(function(_, i) {
          return panel.phases && panel.phases.cells[i][j] !== null ? panel.phases.names[panel.phases.cells[i][j]]
                                                                   : values[i * tall + j];
        }));
      })
    };
  }

  function write(parent, found) {
    var table = chorale.make(parent, "table"), top = chorale.make(chorale.make(table, "thead"), "tr");
    var body = chorale.make(table, "tbody"), every = Math.ceil(found.rows.length / MOST);
    found.heads.forEach(function(head) { chorale.make(top, "th", "", head).scope = "col"; });
    found.rows.forEach(function(row, i) {
      if (i % every && i !== found.rows.length - 1) return;
      var line = chorale.make(body, "tr");
      row.forEach(function(value) {
        var real = typeof value === "number";
        chorale.make(line, "td", real ? "n" : "", real ? chorale.number(value, 6) : value);
      });
    });
  }

  /* rows() says {heads, rows} of now. */
  function table(parent, rows) {
    var around = chorale.make(parent, "details", "numbers");
    chorale.make(around, "summary", "", "Table of these numbers");
    var box = chorale.make(around, "div", "wide");
    box.tabIndex = 0;
    around.addEventListener("toggle", function() {
      box.textContent = "";
      if (around.open) write(box, rows());
    });
    return around;
  }

  table.ofCharts = ofCharts;
  table.ofMap = ofMap;
  return table;
})();
