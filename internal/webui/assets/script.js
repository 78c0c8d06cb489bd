// Every page works without this. It copies what is to be copied, forgets what is
// shown once, asks before what can't be undone, and ticks the choice whose date is
// being filled in.
"use strict";

for (const button of document.querySelectorAll("button[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl+C";
    }
    setTimeout(() => { button.textContent = label; }, 3000);
  });
}

// What is shown once isn't sent for again by a reload, and is gone when one leaves the
// page, so that the way back doesn't show it either.
for (const secret of document.querySelectorAll("[data-leads]")) {
  history.replaceState(null, "", secret.dataset.leads);
  addEventListener("pagehide", () => document.querySelector("main").remove());
}

// The way back asks the server again, which knows who is still signed in, whatever
// the browser kept.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

for (const form of document.querySelectorAll("form[data-confirm]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.confirm)) event.preventDefault();
  });
}

for (const input of document.querySelectorAll("[data-picks]")) {
  input.addEventListener("input", () => {
    document.getElementById(input.dataset.picks).checked = true;
  });
}
