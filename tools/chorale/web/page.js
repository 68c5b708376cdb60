/* Makes the figures of all places on the page, and reads the page of a running job anew. */
(function() {
"use strict";
var KEPT = "chorale-view " + window.location.pathname, held = false;
var MAKERS = {
  motion: chorale.motion,
  heat: chorale.heat,
  chart: function(parent, spec) {
    var made = chorale.chart(parent, spec);
    chorale.table(parent, function() { return chorale.table.ofCharts([spec]); });
    return made;
  }
};

document.querySelectorAll(".view").forEach(function(place) {
  var spec = chorale.data.groups[Number(place.dataset.group)][Number(place.dataset.figure)];
  if (spec.kind !== "chart") place.classList.add("whole");
  if (spec.kind === "motion") chorale.make(place, "h3", "", spec.title);
  chorale.figures.push(MAKERS[spec.kind](place, spec));
});

/* With one sphere on the page its keys work everywhere but in fields. */
var moving = chorale.figures.filter(function(figure) { return figure.player; });
if (moving.length === 1)
  document.addEventListener("keydown", function(event) {
    if (!event.defaultPrevented && (event.target === document.body || event.key === " ")) moving[0].press(event);
  });

/* A page in a frame may be refused it. */
function storage() {
  try {
    return window.sessionStorage;
  } catch (error) {
    return null;
  }
}

function keep() {
  if (!storage()) return;
  var states = chorale.figures.map(function(figure) { return figure.state ? figure.state() : null; });
  storage().setItem(KEPT, JSON.stringify({scroll: window.scrollY, states: states}));
}

function restore() {
  var kept = storage() && JSON.parse(storage().getItem(KEPT) || "null");
  chorale.figures.forEach(function(figure, i) {
    if (figure.restore) figure.restore(kept && kept.states && kept.states[i]);
  });
  if (kept) window.scrollTo(0, Number(kept.scroll) || 0);
}

function reread() {
  var busy = held || document.hidden || moving.some(function(figure) { return figure.player.playing; });
  if (busy) return;
  keep();
  window.location.reload();
}

if (chorale.data.every) {
  document.addEventListener("pointerdown", function() { held = true; });
  document.addEventListener("pointerup", function() { held = false; });
  window.setInterval(reread, 1000 * chorale.data.every);
  restore();
} else if (storage() && storage().getItem(KEPT)) {
  restore();
  storage().removeItem(KEPT);
}
})();
