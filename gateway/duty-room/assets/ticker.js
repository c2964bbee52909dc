// A worker that only beats: timers of a page in the background are slowed down to one a minute, a worker's are not.
"use strict";
setInterval(() => postMessage(0), 250);
