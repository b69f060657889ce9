"""Numbers that say what a packet holds: link types, EtherTypes, IP protocols, ports of tunnels.

Link types: https://www.tcpdump.org/linktypes.html; the others: IANA's registries of those names.
"""

from __future__ import annotations

ETHERNET, SLL, SLL2 = 1, 113, 276
LOOPBACK = (0, 108)
RAW_IP = 101
RAW = (12, 14, RAW_IP, 228, 229)
PPP, PPP_HDLC, PPP_ETHERNET, CISCO_HDLC = 9, 50, 51, 104
WIFI, RADIOTAP, PPI = 105, 127, 192
BSD_IPSEC, PFLOG, NFLOG = 109, 117, 239

VLAN_TYPES = (0x8100, 0x88A8, 0x9100, 0x9200)
IP_TYPES = (0x0800, 0x86DD)
MPLS_TYPES = (0x8847, 0x8848)
PPPOE_TYPE, BRIDGED_TYPE = 0x8864, 0x6558
TUNNEL_TYPES = (*MPLS_TYPES, PPPOE_TYPE, BRIDGED_TYPE)

TCP, UDP, GRE, ETHERIP = 6, 17, 47, 97
IP_IN_IP = (4, 41)
FRAGMENT, AUTHENTICATION = 44, 51
EXTENSIONS = (0, 43, 60, 135, 139, 140)
"""IPv6 headers of the common length encoding."""

GTP_U, GENEVE = 2152, 6081
VXLAN = (4789, 8472)  # the second was Linux' before the first was assigned
TUNNEL_PORTS = (GTP_U, *VXLAN, GENEVE)
"""UDP ports that tunnels are sent to."""
