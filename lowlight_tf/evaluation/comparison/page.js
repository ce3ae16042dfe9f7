"use strict";

// Tables: a click on a heading sorts by its column, a second click reverses. Missing numbers are last.
const number = (text) => parseFloat(text.replaceAll(",", "").replace(/^inf$/, "Infinity"));

function sort(table, column, down) {
  const body = table.tBodies[0];
  const words = table.tHead.rows[0].cells[column].classList.contains("word");
  const rows = [...body.rows].map((row) => {
    const text = row.cells[column].textContent;
    return { row, text, value: number(text) };
  });
  const sign = down ? -1 : 1;
  rows.sort((a, b) => {
    if (words) return sign * a.text.localeCompare(b.text);
    if (isNaN(a.value) || isNaN(b.value)) return isNaN(a.value) - isNaN(b.value);
    return a.value === b.value ? 0 : sign * (a.value < b.value ? -1 : 1);
  });
  body.append(...rows.map(({ row }) => row));
}

for (const table of document.querySelectorAll("table")) {
  for (const heading of table.tHead.rows[0].cells) {
    heading.querySelector("button").addEventListener("click", () => {
      const first = heading.classList.contains("higher") ? "descending" : "ascending";
      const other = first === "ascending" ? "descending" : "ascending";
      const order = heading.getAttribute("aria-sort") === first ? other : first;
      for (const one of table.tHead.rows[0].cells) one.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", order);
      sort(table, heading.cellIndex, order === "descending");
    });
  }
}

// Sliders: the left image is displayed over the model's result up to the position of the slider.
for (const slider of document.querySelectorAll(".stage input")) {
  const move = () => slider.parentElement.style.setProperty("--cut", slider.value + "%");
  slider.addEventListener("input", move);
  move(); // browsers restore slider positions on reload
}

// The left image is one that its row already contains.
const choice = document.getElementById("left");
function updateLeft() {
  for (const row of document.querySelectorAll(".row")) {
    const images = [...row.querySelectorAll("img[data-of]")];
    const left = images.find((img) => img.dataset.of === choice.value) || images[0];
    for (const img of left ? row.querySelectorAll(".left") : []) {
      img.src = left.src;
      img.alt = left.alt;
    }
  }
}
if (choice) {
  choice.addEventListener("change", updateLeft);
  updateLeft();
}
