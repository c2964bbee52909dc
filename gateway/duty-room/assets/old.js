// Says so where the browser is too old for this page, whose scripts then do not run at all: plain words for any browser.
(function () {
  // AbortSignal.timeout is the newest of what the pages need: Chromium 103.
  var fits = window.AbortSignal && AbortSignal.timeout && [].findLast && window.HTMLDialogElement && window.EventSource;
  var bar = document.getElementById("old");
  if (!fits && bar) bar.hidden = false;
})();
