
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const say = (text) => { at("outcome").textContent = text; };
  const invitation = location.hash.slice(1);
  // The address bar and the history need not keep it.
  history.replaceState(null, "", location.pathname);
  if (!invitation) {
    at("form").hidden = true;
    say("This link is incomplete: ask for a new one, or copy it whole.");
    return;
  }
  at("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    at("send").disabled = true;
    say("…");
    const body = { invitation, password: at("password").value };
    if (at("totp").value.trim()) body.totp = at("totp").value.trim();
    try {
      const answer = await fetch("/v1/invitations/redeem", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        credentials: "omit",
      });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.detail || told.title);
      at("form").hidden = true;
      say(told.site ? `Welcome, ${told.username}: you are a member of ${told.site.name} now.`
        : `Welcome back, ${told.username}: your new password is set.`);
    } catch (error) {
      say(error.message);
      at("send").disabled = false;
    }
  });
})();
