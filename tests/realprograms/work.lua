-- Tables made and thrown away, closures, coroutines and strings.
local x = 12345
local function random() x = (x * 1103515245 + 12345) % 2147483648 return x end
local produce = coroutine.wrap(function() while true do coroutine.yield(random()) end end)
local total = 0
for round = 1, 20 do
  local t = {}
  for i = 1, 20000 do t[i] = { value = produce() % 1000, name = "n" .. i } end
  table.sort(t, function(a, b) return a.value < b.value or a.value == b.value and a.name < b.name end)
  for i = 1, #t, 7 do total = (total * 31 + t[i].value + #t[i].name) % 1000000007 end
  print(round, total, t[1].name)
  io.stdout:flush()
end
