"use strict";
// Puts what moves in place of what was, every two seconds, for as long as it is wanted.
(function () {
  const live = document.getElementById("live");
  if (!live) return;
  const news = document.getElementById("news");
  const follow = document.getElementById("follow");
  follow.closest("[hidden]").hidden = false;
  let told = live.firstElementChild.dataset.news;

  async function look() {
    if (!follow.checked || document.hidden) return;
    let text;
    try {
      const answer = await fetch(live.dataset.from, { credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      text = await answer.text();
    } catch (error) {
      tell("The receiver does not answer; what is shown is old.");
      return;
    }
    put(text);
    tell(live.firstElementChild.dataset.news);
  }

  // Who is at a link of it by keyboard stays there.
  function put(text) {
    const focused = document.activeElement;
    const href = live.contains(focused) && focused.getAttribute("href");
    live.innerHTML = text;
    if (href) live.querySelector(`[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
  }

  // Read out once, when it changes.
  function tell(what) {
    if (what !== told) news.textContent = what;
    told = what;
  }

  setInterval(look, 2000);
})();
