// Loaded before examples/consumer.mjs: makes it stop for good at one place of its work, as stopped_consumer.py does.

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const { STOP_AT, STOP_NTH } = process.env;
const { fsyncSync, renameSync } = fs;
let left = Number(STOP_NTH);

function stop(place) {
  if (place !== STOP_AT || --left !== 0) return;
  fs.writeSync(2, `stopped ${place}\n`);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

fs.fsyncSync = (file) => {
  if (fs.fstatSync(file).isFile()) {
    if (STOP_AT === "half written" && left === 1) fs.ftruncateSync(file, fs.fstatSync(file).size >> 1);
    stop("half written");
  }
  fsyncSync(file);
};
fs.renameSync = (from, to) => {
  stop("before the rename");
  renameSync(from, to);
  stop("after the rename");
};
syncBuiltinESMExports(); // for those who import the names
