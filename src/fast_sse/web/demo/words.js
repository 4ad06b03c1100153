// What the page says.

export const GAP_REASONS = {
  trimmed: "what came next has been deleted from the log. All that is kept follows",
  epoch: "the id is of another log, a new or a restored one. All that is kept follows",
  lost_tail: "the hub lost the end of its log, a part that this page had seen",
  ahead: "the id is newer than the log. The stream goes on from now",
  unreadable: "the id could not be read. The stream goes on from now",
};
export const STATES = {
  connecting: "connecting",
  open: "live",
  retrying: "reconnecting",
  dropped: "dropped by you",
  refused: "refused",
};
export const GUIDES = {
  begin: "Press Publish: the message runs to the hub, is stored on disk, and comes out at A and B.",
  arrived: "Now drop A, and publish some more.",
  retrying: "No connection. The browser tries again by itself, with the last id that it saw.",
  killing: "The hub goes down: SIGKILL, no clean-up.",
  slow: "Still waiting for a connection. Over HTTP/1.1 a browser opens six to one host, and each tab with this page holds two.",
  refused: "The hub refused the signature: it may have been started with another secret. Reload the page.",
  gap: "The hub cannot go on where this page was, and says so: a gap.",
};
export const dropped = (one, other) => `${one} is away. Publish a few: ${other} gets them at once, for ${one} they wait in the hub.`;
export const killed = (restart_s) =>
  `The hub is dead: SIGKILL, no clean-up. Publish now: this page keeps trying until it has an answer. The hub starts again in ${restart_s} s.`;
export const notKilled = (code) => `The hub would not be killed from here: ${code}.`;
