// A timer loop and two worker threads that compute and answer messages.
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");
const { createHash } = require("crypto");

if (!isMainThread) {
  let x = workerData;
  parentPort.on("message", (n) => {
    if (n === null) return parentPort.close();
    for (let i = 0; i < 400000; i++) x = Number((BigInt(x) * 1103515245n + 12345n) % 2147483648n);
    parentPort.postMessage([n, x]);
  });
} else {
  const results = [];
  let rounds = 0, churn = [];
  const workers = [1, 2].map((seed) => new Worker(__filename, { workerData: seed }));
  workers.forEach((worker, w) => {
    worker.on("message", ([n, x]) => {
      (results[n] ||= [])[w] = x;
      while (results[rounds] && results[rounds].filter(Boolean).length === 2) {
        console.log(rounds, createHash("sha256").update(results[rounds].join()).digest("hex"));
        rounds++;
      }
      worker.postMessage(n + 1 < 8 ? n + 1 : null);
    });
    worker.postMessage(0);
  });
  const timer = setInterval(() => {
    churn = churn.slice(-1000).concat(Array.from({ length: 1000 }, (_, i) => ({ i })));
    if (rounds === 8) clearInterval(timer);
  }, 5);
}
