/* What all figures share: the page's data, colours of the theme, numbers as words, elements of text. */
var chorale = (function() {
  "use strict";
  var data = JSON.parse(document.getElementById("chorale-data").textContent);
  var scheme = window.matchMedia("(prefers-color-scheme: dark)");
  var ARRAYS = {f8: Float64Array, i2: Int16Array, u2: Uint16Array, u1: Uint8Array};
  var RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹", figures = [], drawers = [], tip = null;

  function palette() { return data.palette[scheme.matches ? "dark" : "light"]; }

  /* The numbers of a packed array, which are little-endian as those of every browser's machine. */
  function unpack(piece) {
    if (!piece.values) {
      var text = atob(piece.bytes), bytes = new Uint8Array(text.length);
      for (var i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
      piece.values = new ARRAYS[piece.type](bytes.buffer);
      piece.bytes = "";
    }
    return piece.values;
  }

  /* Of ordered things, from 0 to 1. */
  function ordered(share) { return d3.interpolateRgbBasis(palette().ordered)(share); }

  function colour(name) { return typeof name === "number" ? ordered(name) : palette()[name] || palette().ink; }

  function power(exponent) {
    var digits = String(Math.abs(exponent)).replace(/\d/g, function(digit) { return RAISED[digit]; });
    return "10" + (exponent < 0 ? "⁻" : "") + digits;
  }

  /* A number as one writes it, with so many digits. */
  function number(value, digits) {
    if (isNaN(value)) return "not known";
    if (!isFinite(value)) return value < 0 ? "−∞" : "∞";
    var words = Number(value.toPrecision(digits || 4)), size = Math.abs(words);
    if (size && (size < 1e-3 || size >= 1e6)) {
      var exponent = Math.floor(Math.log10(size) + 1e-9),
          factor = Number((words / Math.pow(10, exponent)).toPrecision(digits || 4));
      var before = factor === 1 ? "" : factor === -1 ? "−" : String(factor).replace("-", "−") + "·";
      return before + power(exponent);
    }
    return String(words).replace("-", "−");
  }

  /* An element whose text is never read as markup. */
  function make(parent, tag, name, text) {
    var made = document.createElement(tag);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    if (parent) parent.appendChild(made);
    return made;
  }

  /* A choice among [value, text], with its label. */
  function choice(parent, label, options, chosen, act) {
    var around = make(parent, "label", "choice", label + " "), select = make(around, "select");
    options.forEach(function(option) {
      var made = make(select, "option", "", option[1]);
      made.value = option[0];
      made.selected = String(option[0]) === String(chosen);
    });
    select.addEventListener("change", function() { act(select.value); });
    return select;
  }

  /* Lines of text beside the pointer. */
  function tell(event, lines) {
    tip = tip || make(document.body, "div", "view-tip");
    tip.textContent = "";
    lines.forEach(function(line, i) { make(tip, i ? "div" : "b", "", line); });
    tip.style.display = "block";
    var wide = document.documentElement.clientWidth, box = tip.getBoundingClientRect();
    var left = event.clientX + 14 + box.width > wide ? event.clientX - box.width - 10 : event.clientX + 14;
    tip.style.left = Math.max(4, left) + window.scrollX + "px";
    tip.style.top = event.clientY + window.scrollY + 14 + "px";
  }

  function hush() {
    if (tip) tip.style.display = "none";
  }

  /* Draws now, and again when the theme or the width changes. */
  function draws(element, draw) {
    var width = -1;
    function again() {
      var now = element.clientWidth;
      if (now && now !== width) {
        width = now;
        draw();
      }
    }
    drawers.push(function() {
      if (element.clientWidth) draw();
    });
    if (window.ResizeObserver)
      new ResizeObserver(again).observe(element);
    else
      window.addEventListener("resize", again);
    again();
  }

  function recolour() {
    drawers.forEach(function(draw) { draw(); });
  }
  if (scheme.addEventListener)
    scheme.addEventListener("change", recolour);
  else
    scheme.addListener(recolour);
  window.addEventListener("beforeprint", recolour);

  return {
    data: data,
    figures: figures,
    palette: palette,
    unpack: unpack,
    ordered: ordered,
    colour: colour,
    number: number,
    power: power,
    make: make,
    choice: choice,
    tell: tell,
    hush: hush,
    draws: draws
  };
})();
