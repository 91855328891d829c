local width, height = 21, 11
local cells = {}

local function carve(x, y)
  cells[y * width + x] = true
  local steps = { { 2, 0 }, { -2, 0 }, { 0, 2 }, { 0, -2 } }
  for i = #steps, 2, -1 do
    local j = math.random(i)
    steps[i], steps[j] = steps[j], steps[i]
  end
  for _, step in ipairs(steps) do
    local nx, ny = x + step[1], y + step[2]
    if nx > 0 and ny > 0 and nx < width and ny < height and not cells[ny * width + nx] then
      cells[(y + step[2] // 2) * width + x + step[1] // 2] = true
      carve(nx, ny)
    end
  end
end

carve(1, 1)
