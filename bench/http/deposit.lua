-- Deposits of one unit to a thousand accounts in turn. The requests are made once: the client shares
-- the machine with the server, so what it costs counts.
local accounts = 1000
local at, requests = 0, {}

function init()
  for i = 1, accounts do
    requests[i] = wrk.format("POST", "/accounts/a" .. i .. "/deposit",
      { ["Content-Type"] = "application/json" }, '{"amount":"1.00"}')
  end
  at = math.random(accounts)
end

function request()
  at = at % accounts + 1
  return requests[at]
end

function response(status)
  if status ~= 200 then
    io.stderr:write("A deposit was answered with " .. status .. ".\n")
    os.exit(1)
  end
end
