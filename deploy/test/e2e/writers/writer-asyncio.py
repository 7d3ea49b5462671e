# Each kind of write again and again, all kinds at once, until the variable `end` says so. Prints the number of each.
import asyncio, os
from cronium import aio

mine = "writers/" + os.environ["CRONIUM_JOB_ID"]


async def artifact(number):
    with open("artifact", "wb") as file:
        file.write(b"%d\n" % number + bytes(1_000_000))
    await aio.artifact("artifact")


writes = {
    "count": lambda number: aio.increment_variable(mine + "/count"),
    "compared": lambda number: aio.set_variable(mine + "/compared", number, if_version=number - 1),
    "list": lambda number: aio.append_variable(mine + "/list", str(number), " "),
    "output": lambda number: aio.output({"last": number}),
    "artifact": artifact,
}


async def again(name):
    number = 0
    while await aio.get_variable("end") != "yes":
        number += 1
        await writes[name](number)
        print(name, number, flush=True)
        await asyncio.sleep(1)


async def main():
    await asyncio.gather(*map(again, writes))


asyncio.run(main())
