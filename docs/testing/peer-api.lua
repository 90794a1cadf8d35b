-- Wireshark dissector of the module APIs: DHT messages 500 to 505, KX messages 600 to 604.
--
--   tshark -r FILE.pcapng -X lua_script:docs/testing/peer-api.lua -Y peer_api
--   wireshark -X lua_script:docs/testing/peer-api.lua FILE.pcapng
--
-- A TCP stream is taken for one of these APIs on the ports 3086 (DHT) and 3087 (KX), and on any other port where it begins
-- with a header that only these have. "Decode As… > PEER_API" serves for the rest.

local api = Proto("peer_api", "Peer module API")

local NAMES = {
  [500] = "DHT PUT", [501] = "DHT GET", [502] = "DHT TRACE", [503] = "DHT GET REPLY",
  [504] = "DHT TRACE REPLY", [505] = "DHT ERROR",
  [600] = "KX TUNNEL BUILD INCOMING", [601] = "KX TUNNEL BUILD OUTGOING", [602] = "KX TUNNEL READY",
  [603] = "KX TUNNEL DESTROY", [604] = "KX ERROR",
}
local TLV_NAMES = {
  [1] = "tunnel secret", [2] = "tunnel key", [3] = "registration", [4] = "port", [5] = "instead of",
}

-- Bytes of each message: the least, and whether more may follow.
local SIZES = {
  [500] = { 44, true }, [501] = { 36, false }, [502] = { 36, false }, [503] = { 36, true },
  [504] = { 36, true }, [505] = { 40, false },
  [600] = { 96, true }, [601] = { 96, true }, [602] = { 60, false }, [603] = { 36, false }, [604] = { 40, false },
}
local HEADER, HOP = 4, 56

local f = {
  size = ProtoField.uint16("peer_api.size", "Size"),
  type = ProtoField.uint16("peer_api.type", "Type", base.DEC, NAMES),
  reserved = ProtoField.bytes("peer_api.reserved", "Reserved"),
  key = ProtoField.bytes("peer_api.key", "Key"),
  ttl = ProtoField.uint16("peer_api.ttl", "TTL (seconds)"),
  replication = ProtoField.uint8("peer_api.replication", "Replication"),
  content = ProtoField.bytes("peer_api.content", "Content"),
  request_type = ProtoField.uint16("peer_api.request_type", "Request type", base.DEC, NAMES),
  hop = ProtoField.none("peer_api.hop", "Hop"),
  identity = ProtoField.bytes("peer_api.identity", "Peer identity"),
  kx_port = ProtoField.uint16("peer_api.kx_port", "KX port"),
  ipv4 = ProtoField.ipv4("peer_api.ipv4", "IPv4 address"),
  ipv6 = ProtoField.ipv6("peer_api.ipv6", "IPv6 address"),
  hops = ProtoField.uint8("peer_api.hops", "Number of hops"),
  pseudo_identity = ProtoField.bytes("peer_api.pseudo_identity", "Pseudo-identity"),
  extension = ProtoField.none("peer_api.extension", "Extension"),
  tlv_type = ProtoField.uint16("peer_api.extension.type", "Type", base.DEC, TLV_NAMES),
  tlv_length = ProtoField.uint16("peer_api.extension.length", "Length"),
  tlv_value = ProtoField.bytes("peer_api.extension.value", "Value"),
}
api.fields = f

local malformed = ProtoExpert.new("peer_api.malformed", "Malformed message", expert.group.MALFORMED, expert.severity.ERROR)
local no_extension = ProtoExpert.new("peer_api.extension.malformed", "No extension", expert.group.MALFORMED, expert.severity.WARN)
api.experts = { malformed, no_extension }

-- The first bytes of an identifier, as much as tells it from others.
local function short(range)
  return tostring(range:bytes()):lower():sub(1, 16)
end

local function addresses(tree, tvb, offset)
  tree:add(f.ipv4, tvb(offset, 4))
  tree:add(f.ipv6, tvb(offset + 4, 16))
end

local dissect = {}

dissect[500] = function(tvb, tree)
  tree:add(f.key, tvb(4, 32))
  tree:add(f.ttl, tvb(36, 2))
  tree:add(f.replication, tvb(38, 1))
  tree:add(f.reserved, tvb(39, 5))
  local bytes = tvb:len() - 44
  if bytes > 0 then tree:add(f.content, tvb(44)) end
  return string.format("key=%s ttl=%d replication=%d content=%d bytes", short(tvb(4, 32)), tvb(36, 2):uint(),
    tvb(38, 1):uint(), bytes)
end

local function keyed(tvb, tree)
  tree:add(f.key, tvb(4, 32))
  return "key=" .. short(tvb(4, 32))
end
dissect[501] = keyed
dissect[502] = keyed

dissect[503] = function(tvb, tree)
  local bytes = tvb:len() - 36
  local info = keyed(tvb, tree)
  if bytes > 0 then tree:add(f.content, tvb(36)) end
  return string.format("%s content=%d bytes", info, bytes)
end

dissect[504] = function(tvb, tree)
  local info = keyed(tvb, tree)
  local count = 0
  for offset = 36, tvb:len() - HOP, HOP do
    local hop = tree:add(f.hop, tvb(offset, HOP))
    hop:append_text(string.format(" %d%s", count, count == 0 and " (target)" or ""))
    hop:add(f.identity, tvb(offset, 32))
    hop:add(f.kx_port, tvb(offset + 32, 2))
    hop:add(f.reserved, tvb(offset + 34, 2))
    addresses(hop, tvb, offset + 36)
    count = count + 1
  end
  return string.format("%s hops=%d", info, count)
end

local function request_name(tvb)
  local number = tvb(4, 2):uint()
  return NAMES[number] or tostring(number)
end

dissect[505] = function(tvb, tree)
  tree:add(f.request_type, tvb(4, 2))
  tree:add(f.reserved, tvb(6, 2))
  tree:add(f.key, tvb(8, 32))
  return string.format("of %s key=%s", request_name(tvb), short(tvb(8, 32)))
end

local function extension(tvb, tree)
  local ext = tree:add(f.extension, tvb(96))
  local offset = 96
  while offset + 4 <= tvb:len() do
    local bytes = tvb(offset + 2, 2):uint()
    if offset + 4 + bytes > tvb:len() then break end
    ext:add(f.tlv_type, tvb(offset, 2))
    ext:add(f.tlv_length, tvb(offset + 2, 2))
    if bytes > 0 then ext:add(f.tlv_value, tvb(offset + 4, bytes)) end
    offset = offset + 4 + bytes
  end
  if offset < tvb:len() then ext:add_proto_expert_info(no_extension, "No whole TLV") end
end

local function build(tvb, tree)
  tree:add(f.hops, tvb(4, 1))
  tree:add(f.reserved, tvb(5, 3))
  tree:add(f.pseudo_identity, tvb(8, 32))
  local point = tree:add(f.hop, tvb(40, HOP))
  point:set_text("Exchange point")
  point:add(f.kx_port, tvb(40, 2))
  point:add(f.reserved, tvb(42, 2))
  point:add(f.identity, tvb(44, 32))
  addresses(point, tvb, 76)
  if tvb:len() > 96 then extension(tvb, tree) end
  return string.format("pseudo-identity=%s hops=%d exchange-point=%s", short(tvb(8, 32)), tvb(4, 1):uint(),
    short(tvb(44, 32)))
end
dissect[600] = build
dissect[601] = build

dissect[602] = function(tvb, tree)
  tree:add(f.pseudo_identity, tvb(4, 32))
  tree:add(f.reserved, tvb(36, 4))
  addresses(tree, tvb, 40)
  return string.format("pseudo-identity=%s ipv4=%s", short(tvb(4, 32)), tostring(tvb(40, 4):ipv4()))
end

dissect[603] = function(tvb, tree)
  tree:add(f.pseudo_identity, tvb(4, 32))
  return "pseudo-identity=" .. short(tvb(4, 32))
end

dissect[604] = function(tvb, tree)
  tree:add(f.request_type, tvb(4, 2))
  tree:add(f.reserved, tvb(6, 2))
  tree:add(f.pseudo_identity, tvb(8, 32))
  return string.format("of %s pseudo-identity=%s", request_name(tvb), short(tvb(8, 32)))
end

-- What is wrong with a message of this type and size, nil if nothing is.
local function fault(number, size)
  local expected = SIZES[number]
  if expected == nil then return "unknown type " .. number end
  local least, more = expected[1], expected[2]
  if size < least or (size > least and not more) then
    return string.format("%s must have %s%d bytes, has %d", NAMES[number], more and "at least " or "", least, size)
  end
  if number == 504 and (size - least) % HOP ~= 0 then
    return string.format("%s must have 36 + 56 n bytes, has %d", NAMES[number], size)
  end
  return nil
end

local function dissect_message(tvb, pinfo, root)
  local size, number = tvb(0, 2):uint(), tvb(2, 2):uint()
  local name = NAMES[number] or ("unknown type " .. number)
  pinfo.cols.protocol = number >= 600 and "KX API" or "DHT API"
  local tree = root:add(api, tvb(), "Peer module API, " .. name)
  tree:add(f.size, tvb(0, 2))
  tree:add(f.type, tvb(2, 2))
  local wrong = size < HEADER and "the size is less than the header's" or fault(number, size)
  local info
  if wrong then
    tree:add_proto_expert_info(malformed, wrong)
    info = "[malformed: " .. wrong .. "]"
  else
    info = dissect[number](tvb, tree)
  end
  tree:append_text(", " .. info)
  -- One packet may have several messages.
  if tostring(pinfo.cols.info):find("^DHT ") or tostring(pinfo.cols.info):find("^KX ") then
    pinfo.cols.info:append("; " .. name .. " " .. info)
  else
    pinfo.cols.info:set(name .. " " .. info)
  end
  return tvb:len()
end

-- A size that no message can have ends all framing: what is there is shown as one message.
local function message_size(tvb, _, offset)
  local size = tvb(offset, 2):uint()
  return size < HEADER and tvb:len() - offset or size
end

local function dissect_stream(tvb, pinfo, root)
  pinfo.cols.info:clear()
  dissect_tcp_pdus(tvb, root, HEADER, message_size, dissect_message)
  return tvb:len()
end

function api.dissector(tvb, pinfo, root)
  return dissect_stream(tvb, pinfo, root)
end

local function is_api(tvb, pinfo, root)
  if tvb:len() < HEADER or fault(tvb(2, 2):uint(), tvb(0, 2):uint()) ~= nil then return false end
  pinfo.conversation = api
  -- Not by api.dissector: one call deeper, Wireshark would put no segments together.
  dissect_stream(tvb, pinfo, root)
  return true
end

api:register_heuristic("tcp", is_api)
-- A client's own port may be one that another protocol is known by (44818: EtherNet/IP): what is said decides, not the port.
set_preference("tcp.try_heuristic_first", true)
local ports = DissectorTable.get("tcp.port")
ports:add(3086, api)
ports:add(3087, api)
