// BullMQ on Redis: `node bullmq_pipeline.mjs front PORT`, and `... work` for a worker.
// Nothing is signed, sealed, decided or logged.
import http from "node:http";
import { Queue, Worker } from "bullmq";

const [role, port] = process.argv.slice(2);
const connection = { host: "127.0.0.1", port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null };
const hook = new URL(process.env.HOOK);

if (role === "front") {
  const queue = new Queue("events", { connection });
  const options = { removeOnComplete: true, removeOnFail: true };
  http
    .createServer((request, response) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", async () => {
        const id = request.headers["webhook-id"];
        await queue.add("deliver", { id, event: Buffer.concat(chunks).toString() }, options);
        response.writeHead(202, { "content-length": 0 }).end();
      });
    })
    .listen(Number(port), "127.0.0.1", 1024);
} else {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64, noDelay: true });
  const deliver = ({ data }) =>
    new Promise((resolve, reject) => {
      const body = Buffer.from(data.event);
      const headers = { "webhook-id": data.id, "content-type": "application/json", "content-length": body.length };
      const request = http.request(hook, { method: "POST", agent, headers }, (answer) => {
        answer.resume();
        answer.on("end", () => (answer.statusCode === 204 ? resolve() : reject(new Error("not taken"))));
      });
      request.on("error", reject);
      request.end(body);
    });
  new Worker("events", deliver, { connection, concurrency: 64 });
}
