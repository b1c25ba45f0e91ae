// Timers, promises, a worker thread with a port, streams and compiled code; a line a round.
'use strict';
const { Worker, isMainThread, parentPort } = require('worker_threads');
const crypto = require('crypto');
const fs = require('fs');

function mix(x, n) {
	for (let i = 0; i < n; i++)
		x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
	return x;
}

function worker() {
	let state = 1;
	parentPort.on('message', (x) => {
		state = mix(state ^ x, 50000);
		parentPort.postMessage(state);
	});
}

async function main() {
	const w = new Worker(__filename);
	const hash = crypto.createHash('sha256');
	const waiting = [];
	let ticks = 0;
	w.on('message', (x) => waiting.shift()(x));
	const ask = (x) => new Promise((resolve) => {
		waiting.push(resolve);
		w.postMessage(x);
	});
	const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
	const timer = setInterval(() => { ticks++; }, 7);
	const late = new Promise((resolve) => setTimeout(resolve, 900, 'the late timer'));
	let x = 7;
	for (let round = 0; round < 250; round++) {
		x = await ask(x);
		const [a, b] = await Promise.all([ask(round), sleep(3).then(() => round * 2)]);
		hash.update(String(a + b));
		const size = (await fs.promises.readFile(__filename)).length;
		console.log('round', round, x, a, b, size);
	}
	console.log(await late, ticks > 0, hash.digest('hex'));
	clearInterval(timer);
	await w.terminate();
}

if (isMainThread)
	main();
else
	worker();
