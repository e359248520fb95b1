// Drives the reference client: node client.mjs URL AUTHORIZATION OPERATION AFTER_SUBSCRIBING. Runs the mutation
// AFTER_SUBSCRIBING once the subscription OPERATION has begun, and prints what both gave as JSON.
import { createClient } from "graphql-ws";
import WebSocket from "ws";

const [url, authorization, operation, afterSubscribing] = process.argv.slice(2);
const client = createClient({
  url,
  webSocketImpl: WebSocket,
  connectionParams: { Authorization: authorization },
  retryAttempts: 0,
});

async function first(query) {
  for await (const result of client.iterate({ query })) return result;
}

const messages = client.iterate({ query: operation });
const message = messages.next();
// The subscription is under way when a later operation on the same socket has been answered.
await first("{ __typename }");
const mutated = await first(afterSubscribing);
console.log(JSON.stringify({ mutated, message: (await message).value }));
await messages.return();
await client.dispose();
