-- SPDX-License-Identifier: MIT
--
-- A small configuration of Snort 3 for raw IP packets out of a FIFO: it follows connections, knows
-- HTTP and DNS, and writes alerts as lines of JSON.  Put your own in its place with SNORT_CONFIG
-- and SNORT_RULES (see .env.example).

-- Where the distribution keeps the capture modules, if they are not built in.
local module = io and io.open('/usr/lib/daq/daq_pcap.so')
if module then
    module:close()
    daq = { module_dirs = { '/usr/lib/daq' } }
end

stream = { }
stream_ip = { }
stream_icmp = { }
stream_tcp = { }
stream_udp = { }
stream_user = { }

http_inspect = { }
dns = { }

wizard =
{
    spells =
    {
        {
            service = 'http',
            proto = 'tcp',
            to_server = { 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'CONNECT', 'PATCH' },
            to_client = { 'HTTP/' },
        },
    },
}

binder =
{
    { when = { proto = 'udp', ports = '53', role = 'server' }, use = { type = 'dns' } },
    { when = { service = 'http' }, use = { type = 'http_inspect' } },
    { use = { type = 'wizard' } },
}

ips =
{
    variables =
    {
        nets = { HOME_NET = 'any', EXTERNAL_NET = 'any' },
        ports = { HTTP_PORTS = '80 8080' },
    },
}

alert_json =
{
    file = true,
    -- Megabytes, after which it begins a new file; the old ones stay until somebody removes them.
    limit = 100,
    fields = 'seconds timestamp proto src_addr src_port dst_addr dst_port gid sid rev msg action',
}
