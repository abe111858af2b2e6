-- For wrk: posts the JSON that it is given, if any, and prints what was found as one line of JSON.
function init(given)
  if given[1] then
    wrk.method, wrk.body = "POST", given[1]
    wrk.headers["Content-Type"] = "application/json"
  end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format('{"p50": %.2f, "p99": %.2f, "per_second": %.1f, "failed": %d}',
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, summary.requests / (summary.duration / 1e6),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
