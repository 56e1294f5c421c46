-- Sends the lines of a file in turn. Arguments: the file, and the Authorization header.
local requests, at = {}, 0

function init(args)
  local headers = { ["Authorization"] = args[2], ["Content-Type"] = "application/x-www-form-urlencoded" }
  for body in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency)
  local e = summary.errors
  print("measured", summary.requests, summary.duration, latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout)
end
