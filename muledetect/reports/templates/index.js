"use strict";
/* Search, filters and sorting of tables that are already in the page: rows are shown, hidden and moved, never made. */
(() => {
  const texts = () => {
    for (const option of document.querySelectorAll("option[data-en]")) option.textContent = option.dataset[page.language()];
  };
  page.onChange(texts);
  texts();
  for (const controls of document.querySelectorAll("[data-filters]")) {
    const table = document.getElementById(controls.dataset.filters), body = table.tBodies[0], rows = [...body.rows];
    const search = controls.querySelector("input[type=search]"), count = controls.querySelector("[data-count]");
    const selects = [...controls.querySelectorAll("select")];
    const found = rows.map((row) => (row.dataset.find + " " + row.textContent).toLowerCase());
    const apply = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      rows.forEach((row, at) => {
        const fits = words.every((word) => found[at].includes(word)) && selects.every((select) => !select.value || row.dataset[select.dataset.column] === select.value);
        row.hidden = !fits;
        n += fits ? 1 : 0;
      });
      count.textContent = n + " / " + rows.length;
    };
    search.addEventListener("input", apply);
    for (const select of selects) select.addEventListener("change", apply);
    page.onChange(apply);
    apply();
    /* Sorting: a heading is a button; a second press turns the order. */
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      if (!heading.dataset.sort) return;
      const button = page.element("button");
      button.type = "button";
      button.append(...heading.childNodes);
      heading.append(button);
      button.addEventListener("click", () => {
        const down = heading.getAttribute("aria-sort") === "ascending";
        for (const other of headings) other.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", down ? "descending" : "ascending");
        const key = (row) => {
          const cell = row.cells[column];
          return heading.dataset.sort === "number" ? Number(cell.dataset.value) : cell.textContent;
        };
        const keys = new Map(rows.map((row) => [row, key(row)]));
        const order = heading.dataset.sort === "number" ? (a, b) => a - b : (a, b) => a.localeCompare(b);
        const sorted = [...rows].sort((a, b) => order(keys.get(a), keys.get(b)) * (down ? -1 : 1));
        body.append(...sorted);
      });
    });
  }
})();
