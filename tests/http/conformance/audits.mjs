// Runs the audits of the GraphQL over HTTP specification: node audits.mjs URL [AUTHORIZATION]. Prints a list as JSON.
import { serverAudits } from "graphql-http";

const [url, authorization] = process.argv.slice(2);

function fetchAs(address, options = {}) {
  const headers = new Headers(options.headers);
  if (authorization) headers.set("authorization", authorization);
  return fetch(address, { ...options, headers });
}

const results = [];
for (const audit of serverAudits({ url, fetchFn: fetchAs })) {
  const { id, name, status, reason } = await audit.fn();
  results.push({ id, name, status, reason });
}
console.log(JSON.stringify(results));
