"use strict";
// The note beside what is pointed at: the text of data-tip, never markup.
const tip = document.getElementById("tip");
const point = (event) => {
  const target = event.target.closest ? event.target.closest("[data-tip]") : null;
  tip.hidden = !target;
  if (!target) return;
  tip.textContent = target.dataset.tip;
  const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  const above = event.clientY + 18 + tip.offsetHeight > innerHeight;
  tip.style.left = `${Math.max(left, 8)}px`;
  tip.style.top = `${above ? event.clientY - tip.offsetHeight - 12 : event.clientY + 18}px`;
};
document.addEventListener("pointermove", point);
document.addEventListener("pointerdown", point);
document.addEventListener("scroll", () => { tip.hidden = true; }, { passive: true, capture: true });

// Tables: a click on a heading sorts; numbers as numbers, dashes last.
const key = (cell) => {
  const text = cell.textContent.trim();
  const number = Number.parseFloat(text.replaceAll(",", ""));
  return text === "-" || text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
};
const order = (a, b, down) => {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
};
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => order(key(a.cells[column]), key(b.cells[column]), down));
      table.tBodies[0].append(...rows);
    });
  });
}
for (const field of document.querySelectorAll(".filter input")) {
  const table = field.closest(".filter").nextElementSibling.querySelector("table");
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
}

// Everything is on paper, also what is folded on the screen.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details:not([open])")) {
    folded.open = true;
    folded.dataset.folded = "";
  }
});
addEventListener("afterprint", () => {
  for (const folded of document.querySelectorAll("details[data-folded]")) {
    folded.open = false;
    delete folded.dataset.folded;
  }
});

// Light or dark: as the system says until the button says otherwise.
const theme = document.getElementById("theme");
if (theme) {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const say = () => { theme.textContent = dark() ? "Light" : "Dark"; };
  theme.hidden = false;
  say();
  system.addEventListener("change", say);
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; say(); });
}
