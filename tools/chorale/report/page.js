document.querySelectorAll("table").forEach(function (table) {
  var body = table.tBodies[0], heads = table.tHead.rows[0].cells;
  function value(row, column) {
    var cell = row.cells[column], number = cell.dataset.v;
    return number === undefined ? cell.textContent : Number(number);
  }
  function sort(column) {
    var down = heads[column].getAttribute("aria-sort") === "ascending", sign = down ? -1 : 1;
    Array.from(heads).forEach(function (head) { head.removeAttribute("aria-sort"); });
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    Array.from(body.rows).sort(function (a, b) {
      var x = value(a, column), y = value(b, column);
      if (typeof x === "number" && typeof y === "number") return isNaN(x) ? 1 : isNaN(y) ? -1 : sign * (x - y);
      return sign * String(x).localeCompare(String(y), undefined, {numeric: true});
    }).forEach(function (row) { body.appendChild(row); });
  }
  Array.from(heads).forEach(function (head, column) {
    head.tabIndex = 0;
    head.title = "sort by this column";
    head.addEventListener("click", function () { sort(column); });
    head.addEventListener("keydown", function (event) { if (event.key === "Enter") sort(column); });
  });
});
window.addEventListener("beforeprint", function () {
  document.querySelectorAll("details").forEach(function (one) { one.open = true; });
});
function tellMore() {
  document.querySelectorAll(".wide, .figure").forEach(function (box) {
    var before = box.previousElementSibling, told = before && before.className === "more";
    var wider = box.scrollWidth > box.clientWidth + 1;
    if (wider && !told) {
      before = document.createElement("p");
      before.className = "more";
      before.textContent = "Wider than the page: scroll to the right \u2192";
      box.parentNode.insertBefore(before, box);
    }
    if (!wider && told) before.remove();
  });
}
window.addEventListener("load", tellMore);
window.addEventListener("resize", tellMore);
document.querySelectorAll("details").forEach(function (one) { one.addEventListener("toggle", tellMore); });
