"""A Modbus server that is not ours, for the end-to-end tests: pymodbus answers, a test decides.

Framing, checks and replies are pymodbus's own; only the register store is here, so that a test can
change it while the server runs. Say `pymodbus_server.py tcp PORT` or `pymodbus_server.py serial PATH`; or
`pymodbus_server.py gateway PORT` for one that says by exception 11 that a unit behind it does not answer.
It prints `ready`, then reads one order a line from standard input and answers each with `ok`:

    set UNIT TABLE ADDRESS VALUE...   TABLE: coil, discrete, input or holding
    lose UNIT                         the unit stops answering
    return UNIT                       it answers again
    renumber ADDRESS                  a unit takes what is written to this holding register for its unit id
    functions                         answered with `ok` and each function code that was asked, known or not

It ends when standard input does, so a test that dies leaves nothing behind.
"""

import asyncio
import logging
import sys

from pymodbus.constants import ExcCodes
from pymodbus.datastore import ModbusServerContext
from pymodbus.exceptions import NoSuchIdException
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer

TABLES = {"coil": (1, 5, 15), "discrete": (2,), "holding": (3, 6, 16, 22, 23), "input": (4,)}
TABLE_OF_FUNCTION = {code: table for table, codes in TABLES.items() for code in codes}


class Store(ModbusServerContext):
    """Registers by (unit, table, address). What was never set does not exist."""

    def __init__(self):
        # The two attributes by which pymodbus tells a store that answers for itself.
        self.simdevices = []
        self.old_simulator = True
        self.values = {}
        self.units = set()
        self.lost = set()
        self.numbers = set()
        self.functions = set()

    def trace(self, sending, pdu):
        if not sending:
            self.functions.add(pdu.function_code)
        return pdu

    def device_ids(self):
        return sorted(self.units)

    def _answering(self, unit):
        if unit not in self.units or unit in self.lost:
            raise NoSuchIdException(f"unit id {unit} does not answer")

    async def async_getValues(self, device_id, func_code, address, count=1):
        self._answering(device_id)
        table = TABLE_OF_FUNCTION[func_code]
        keys = [(device_id, table, address + i) for i in range(count)]
        if any(key not in self.values for key in keys):
            return ExcCodes.ILLEGAL_ADDRESS
        return [self.values[key] for key in keys]

    async def async_setValues(self, device_id, func_code, address, values):
        self._answering(device_id)
        table = TABLE_OF_FUNCTION[func_code]
        keys = [(device_id, table, address + i) for i in range(len(values))]
        if any(key not in self.values for key in keys):
            return ExcCodes.ILLEGAL_ADDRESS
        self.values.update(zip(keys, values))
        if table == "holding" and address in self.numbers:
            self._renumber(device_id, values[0])
        return None

    def _renumber(self, unit, new):
        self.values = {(new if key[0] == unit else key[0], *key[1:]): value for key, value in self.values.items()}
        self.units = self.units - {unit} | {new}

    def order(self, words):
        if words[0] == "set":
            unit, table, address = int(words[1]), words[2], int(words[3])
            if table not in TABLES:
                raise ValueError(f"no table {table}")
            bits = table in ("coil", "discrete")
            self.units.add(unit)
            for i, word in enumerate(words[4:]):
                value = int(word)
                self.values[(unit, table, address + i)] = bool(value) if bits else value
        elif words[0] == "lose":
            self.lost.add(int(words[1]))
        elif words[0] == "return":
            self.lost.discard(int(words[1]))
        elif words[0] == "renumber":
            self.numbers.add(int(words[1]))
        elif words[0] == "functions":
            return " ".join(["ok", *map(str, sorted(self.functions))])
        else:
            raise ValueError(f"no order {words[0]}")
        return "ok"


async def main():
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    store = Store()
    kind, where = sys.argv[1], sys.argv[2]
    if kind in ("tcp", "gateway"):
        server = ModbusTcpServer(
            store,
            address=("127.0.0.1", int(where)),
            ignore_missing_devices=kind == "tcp",
            trace_pdu=store.trace,
        )
    elif kind == "serial":
        server = ModbusSerialServer(
            store,
            framer=FramerType.RTU,
            port=where,
            baudrate=9600,
            ignore_missing_devices=True,
            trace_pdu=store.trace,
        )
    else:
        sys.exit("say tcp PORT, gateway PORT or serial PATH")
    await server.serve_forever(background=True)
    print("ready", flush=True)

    orders = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := await orders.readline():
        try:
            print(store.order(line.decode().split()), flush=True)
        except (ValueError, IndexError) as error:
            print(f"refused: {error}", flush=True)
    await server.shutdown()


asyncio.run(main())
