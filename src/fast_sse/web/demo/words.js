// What the page says.

export const GAP_REASONS = {
  trimmed: "the log no longer has the messages after this id. All messages that it has follow",
  epoch: "the id is from another log. The hub has a new or restored one. All its messages follow",
  lost_tail: "the hub lost the newest part of its log, and this page had seen some of it",
  ahead: "the id is newer than the log. The stream continues from now",
  unreadable: "the id, or a part of the log, could not be read. The stream continues without it",
};
export const STATES = {
  connecting: "connecting",
  open: "live",
  retrying: "reconnecting",
  dropped: "dropped by you",
  refused: "refused",
};
export const GUIDES = {
  begin: "Press Publish. The message goes to the hub, is stored on disk, and arrives at A and B.",
  arrived: "Now drop A, and publish some more.",
  retrying: "No connection. The browser tries again by itself, with the last id that it saw.",
  killing: "The hub is being killed (SIGKILL). It cannot clean up.",
  slow: "Still waiting for a connection. A browser opens six HTTP/1.1 connections to a host, and each tab with this page takes two. Close other tabs.",
  refused: "The hub refused the signature. It may have been started with another secret. Reload the page.",
  gap: "The hub cannot continue where this page stopped. It says so with a gap event.",
};
export const dropped = (one, other) => `${one} is away. Publish a few messages: ${other} gets them at once. For ${one} they wait in the hub.`;
export const killed = (restart_s) =>
  `The hub is dead, and starts again in ${restart_s} s. Publish now: this page tries again until the hub answers.`;
export const notKilled = (code) => `The hub refused to be killed from this page: ${code}.`;
