-- Asks with the bodies of a file in turn. Arguments: the file, and the Authorization header.
local requests, count, at = {}, 0, 0

function init(args)
  local headers = {
    ["Authorization"] = args[2],
    ["Content-Type"] = "application/x-www-form-urlencoded",
  }
  for body in io.lines(args[1]) do
    count = count + 1
    requests[count] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  at = at % count + 1
  return requests[at]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("measured %d %d %d %d %d\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
