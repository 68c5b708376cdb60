/* Densities: colours on the sphere, lengths around the circle; what they mean. */
chorale.density = (function() {
  "use strict";
  var TURN = 2 * Math.PI, LEVELS = 255, ROOM = 0.05;

  function value(spec, level) { return spec.low * Math.pow(spec.high / spec.low, level / LEVELS); }

  /* The one of so many cells around the circle, from angle 0 on, that has this angle. */
  function cell(angle, count) { return Math.floor(((angle + TURN) % TURN) / TURN * count) % count; }

  /* Colours of all levels, [r, g, b]. */
  function table() {
    return d3.range(LEVELS + 1).map(function(level) {
      var colour = d3.rgb(d3.interpolateMagma(ROOM + (1 - ROOM) * level / LEVELS));
      return [colour.r, colour.g, colour.b];
    });
  }

  function onSphere(spec, levels, first) {
    var shape = spec.levels.shape, tall = shape[1], wide = shape[2], latitude = chorale.unpack(spec.latitude);
    var colours = spec.colours = spec.colours || table();
    var south = latitude[0], step = (latitude[tall - 1] - south) / Math.max(1, tall - 1);
    return function(longitude, here) {
      var j = Math.max(0, Math.min(tall - 1, Math.round((here - south) / step)));
      var i = cell(longitude, wide);
      return colours[levels[first + j * wide + i]];
    };
  }

  function onCircle(spec, levels, first) {
    var count = spec.levels.shape[1];
    return function(angle) {
      var i = cell(angle, count);
      return Math.sqrt(value(spec, levels[first + i]) / spec.high);
    };
  }

  /* What Ball.texture draws in a frame. */
  function density(spec, frame) {
    var shape = spec.levels.shape, size = shape.slice(1).reduce(function(a, b) { return a * b; }, 1);
    return (spec.sphere ? onSphere : onCircle)(spec, chorale.unpack(spec.levels), frame * size);
  }

  density.legend = function(parent, spec) {
    var ends = [chorale.number(spec.low, 2), chorale.number(spec.high, 2)];
    if (!spec.sphere) {
      chorale.make(parent, "span", "", "Around the circle: the root of the density, at most " + ends[1]);
      return;
    }
    var stops = d3.range(13).map(function(i) { return d3.interpolateMagma(ROOM + (1 - ROOM) * i / 12); });
    chorale.make(parent, "span", "", "density (log) " + ends[0]);
    chorale.make(parent, "i", "ramp").style.background = "linear-gradient(to right," + stops.join(",") + ")";
    chorale.make(parent, "span", "", ends[1]);
  };

  return density;
})();
