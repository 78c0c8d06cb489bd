// Every page works without this. It copies what is to be copied, forgets what is
// shown once, asks before what can't be undone, shows a password that is being typed, and
// ticks the choice whose date is being filled in.
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

// What stands behind the # of an address was sent to nobody, and doesn't stay there.
for (const input of document.querySelectorAll("[data-fragment]")) {
  const take = () => {
    if (location.hash.length < 2) return;
    input.value = location.hash.slice(1);
    input.closest(".field").hidden = true;
    history.replaceState(null, "", location.pathname);
  };
  take();
  addEventListener("hashchange", take); // another link, opened on the same page
}

for (const button of document.querySelectorAll("button[data-shows]")) {
  const input = document.getElementById(button.dataset.shows);
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = input.type === "password";
    input.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  });
}

for (const input of document.querySelectorAll("[data-picks]")) {
  input.addEventListener("input", () => {
    document.getElementById(input.dataset.picks).checked = true;
  });
}

// The sentence that says what a token will be able to do follows what is chosen.
for (const form of document.querySelectorAll("form[data-sentence]")) {
  const sentence = document.getElementById(form.dataset.sentence);
  const tell = () => {
    const values = new FormData(form);
    const where = form.elements.collection;
    const scopes = values.getAll("scope").join(" ").split(/\s+/).filter(Boolean);
    let text = "Anyone who has the token can act as " + sentence.dataset.who;
    if (where && where.value) text += " in the collection " + where.selectedOptions[0].textContent.replace(/ \(\d+\)$/, "") + " alone";
    const networks = form.elements.networks && form.elements.networks.value.trim();
    if (networks) text += ", from " + networks + " alone";
    text += ", where an application asks for no scope" + (scopes.length ? " or for " + scopes.join(", ") + "." : ". With scopes it can do more.");
    if (text !== sentence.textContent) sentence.textContent = text;
  };
  form.addEventListener("change", tell);
  form.addEventListener("input", tell);
}
