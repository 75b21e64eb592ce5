// Keys for reviewing. The pages also work without this file.
"use strict";

const items = [...document.querySelectorAll(".item")];
const decide = document.getElementById("decide");
const note = document.getElementById("note");
const keys = document.getElementById("keys");
let chosen = -1;

function mark(place) {
  if (chosen >= 0) items[chosen].classList.remove("chosen");
  chosen = place;
  items[chosen].classList.add("chosen");
}

function choose(place) {
  mark(place);
  items[chosen].querySelector(".open").focus({ preventScroll: true });
  items[chosen].scrollIntoView({ block: "nearest" });
}

function follow(rel) {
  const link = document.querySelector(`a[rel=${rel}]`);
  if (link) link.click();
}

function move(step) {
  const place = chosen + step;
  if (items.length && place >= 0 && place < items.length) choose(place);
  else if (items.length === 0 || chosen >= 0) follow(step > 0 ? "next" : "prev");
}

function review(decision) {
  if (!decide) return;
  if (note) {
    decide.querySelector(`button[value=${decision}]`).click();
  } else if (chosen >= 0) {
    decide.elements.id.value = items[chosen].dataset.id;
    decide.elements.decision.value = decision;
    sessionStorage.setItem("place", JSON.stringify([chosen, items[chosen].dataset.id]));
    decide.submit();
  }
}

function showKeys() {
  if (keys && !keys.open) keys.showModal();
}

function search() {
  const field = document.getElementById("q");
  if (field) field.focus();
}

function up() {
  const link = document.querySelector("a.up");
  if (link) link.click();
}

const actions = {
  j: () => move(1), k: () => move(-1), a: () => review("accept"), r: () => review("reject"),
  n: () => note ? note.focus() : chosen >= 0 && items[chosen].querySelector(".open").click(),
  "?": showKeys, "/": search, u: up,
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select");
  if (typing) {
    if (event.key === "Escape") typing.blur();
    if (event.key === "Enter" && event.ctrlKey && typing === note) decide.querySelector("button[value='']").click();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || (keys && keys.open)) return;
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  if (!event.repeat || "jk".includes(event.key)) action();
});

// A note that was not saved is not lost without a question.
let isSent = false;
if (note) {
  decide.addEventListener("submit", () => { isSent = true; });
  window.addEventListener("beforeunload", (event) => {
    if (note.value.trim() && !isSent) event.preventDefault();
  });
}

for (const [place, item] of items.entries()) {
  item.addEventListener("focusin", () => { if (place !== chosen) mark(place); });
}

// After a decision in a list, the same problem is selected again; if the filter now excludes it, the next one.
const kept = JSON.parse(sessionStorage.getItem("place") || "null");
sessionStorage.removeItem("place");
if (kept) {
  const place = items.findIndex((item) => item.dataset.id === kept[1]);
  if (items.length) choose(place >= 0 ? place : Math.min(kept[0], items.length - 1));
}
