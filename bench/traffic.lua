-- Sends the bodies of a file in turn, looks at how every answer begins, and prints what came of it as one line of JSON.
--   wrk … -s traffic.lua URL -- PATH TOKEN FILE START BEGINS
-- PATH: where to post. TOKEN: a bearer token, or "-". FILE: one body a line. START: which one to begin with, from 0.
-- BEGINS: what an answer must begin with.

local thread_of_wrk

function setup(thread)
  thread_of_wrk = thread
end

function init(args)
  local headers = { ["content-type"] = "application/json" }
  if args[2] ~= "-" then
    headers["authorization"] = "Bearer " .. args[2]
  end
  requests = {}
  for body in io.lines(args[3]) do
    requests[#requests + 1] = wrk.format("POST", args[1], headers, body)
  end
  place = tonumber(args[4]) % #requests
  begins = args[5]
  refused = 0
  refusal = ""
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function response(status, _, body)
  if status ~= 200 or body:sub(1, #begins) ~= begins then
    refused = refused + 1
    refusal = status .. " " .. body:sub(1, 400)
  end
end

function done(summary, latency)
  local errors = summary.errors
  local lost = errors.connect + errors.read + errors.write + errors.timeout
  print(string.format(
    'traffic {"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "lost": %d, "refused": %d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), lost,
    thread_of_wrk:get("refused")
  ))
  print("refusal " .. thread_of_wrk:get("refusal"))
end
