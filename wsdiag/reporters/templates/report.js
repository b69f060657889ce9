"use strict";
const table = document.getElementById("connections");
if (table) {
  const rows = [...table.tBodies[0].rows];
  const words = document.getElementById("words");
  const by = document.getElementById("by");
  const shown = document.getElementById("shown");
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = (by.value && row.dataset.by !== by.value) || !wanted.every((word) => text.includes(word));
      count += !row.hidden;
    }
    shown.textContent = `${count} of ${rows.length}`;
  };
  words.addEventListener("input", filter);
  by.addEventListener("change", filter);
  document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
  filter();
}
// Paper cannot be clicked: print what is folded, and fold it again.
const folded = [];
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    details.open = true;
    folded.push(details);
  }
});
addEventListener("afterprint", () => {
  for (const details of folded.splice(0)) details.open = false;
});
const unfold = () => {
  const aim = location.hash && document.getElementById(location.hash.slice(1));
  if (aim && aim.tagName === "DETAILS") aim.open = true;
};
addEventListener("hashchange", unfold);
unfold();
