/** Changes of thousands of jobs: whole for every reader at once, whatever dies, and in nobody's way. */

import { assert, assertEquals } from "../assert.ts";
import type { Client } from "../../src/varlink/client.ts";
import type { Job, State } from "../../src/varlink/interface.ts";
import { Home, until } from "./home.ts";

const SIZE = 3000;
const ARRAY = { array: `1-${SIZE}`, hold: true };

async function listed(client: Client, states?: State[]): Promise<Job[]> {
  const jobs: Job[] = [];
  for (let after: number | undefined = 0; after !== undefined;) {
    const page: { jobs: Job[]; next?: number } = await client.call("List", {
      states,
      after,
      limit: 1000,
    });
    jobs.push(...page.jobs);
    after = page.next;
  }
  return jobs;
}

const count = async (client: Client, ...states: State[]) => (await listed(client, states)).length;

/** States of the job in their order, with the reason of the end. */
async function pathOf(client: Client, id: number): Promise<string> {
  const { events } = await client.call("History", { id });
  return events.map(({ state, reason }) => reason ? `${state} ${reason}` : state).join(" ");
}

Deno.test("a cancelled array is read as cancelled from the reply on, also after kill -9", async () => {
  await using home = await Home.start();
  const first = await home.submit("echo >>ran", ARRAY);
  const check = async (client: Client) => {
    assertEquals((await client.call("Node", {})).node.queued, 0);
    assertEquals(await count(client, "QUEUED", "STARTING", "RUNNING"), 0);
    assertEquals(await count(client, "CANCELLED"), SIZE);
    for (const id of [first, first + 1234, first + SIZE - 1]) {
      const { state, reason, endedAt, released } = (await client.call("Status", { id })).job;
      assert(endedAt);
      assertEquals([state, reason, released], ["CANCELLED", "cancelled", true]);
      assertEquals((await client.call("Wait", { id })).job.state, "CANCELLED");
      assertEquals(await pathOf(client, id), "QUEUED CANCELLED cancelled");
    }
  };
  await home.use(async (client) => {
    await client.call("Cancel", { id: first, array: true });
    await check(client);
  });
  await home.restart();
  await home.use(check);
  await written(home);
  await home.crash();
  const ends = home.inJournal((journal) =>
    journal.prepare(`SELECT job_id FROM events GROUP BY job_id
      HAVING SUM(state = 'QUEUED') = 1 AND SUM(state = 'CANCELLED') = 1`).all().length
  );
  assertEquals([ends, home.lines("ran")], [SIZE, []]);
});

Deno.test("an array is seen whole or not at all, also when its submission is broken off", async () => {
  await using home = await Home.start();
  const spec = {
    command: ["true"],
    key: "a",
    environment: { BIG: "x".repeat(2000) },
    ...ARRAY,
  };
  const seen = new Set<number>();
  for (let round = 0; round < 4; round++) {
    await home.use(async (client) => {
      // Nobody waits for the answer: it may never come.
      client.call("Submit", { spec }).catch(() => {});
      for (let look = 0; look <= 2 * round; look++) {
        await home.use(async (other) => seen.add((await other.call("Node", {})).node.queued));
      }
    });
    await home.restart();
    await home.use(async (client) => seen.add(await count(client)));
  }
  const { job, created } = await home.use((client) => client.call("Submit", { spec }));
  assertEquals([...seen, SIZE].filter((queued) => queued !== 0 && queued !== SIZE), []);
  await home.use(async (client) => {
    const ids = (await listed(client)).map(({ id }) => id);
    assertEquals(ids, Array.from({ length: SIZE }, (_, i) => job.id + i), `created: ${created}`);
    const again = await client.call("Submit", { spec });
    assertEquals([again.job.id, again.created], [job.id, false]);
    assertEquals(await pathOf(client, job.id + SIZE - 1), "QUEUED");
  });
});

Deno.test("two submissions of one array under one key are one array", async () => {
  await using home = await Home.start();
  const spec = { command: ["true"], key: "a", ...ARRAY };
  const submit = () => home.use((client) => client.call("Submit", { spec }));
  const replies = await Promise.all([submit(), submit(), submit()]);
  assertEquals(new Set(replies.map(({ job }) => job.id)).size, 1);
  assertEquals(replies.filter(({ created }) => created).length, 1);
  assertEquals((await home.use((client) => client.call("Node", {}))).node.queued, SIZE);
});

Deno.test("a held array is read as held, and starts when it is released, over kill -9", async () => {
  await using home = await Home.start("--cpus", "1");
  const first = await home.submit("exec sleep 1000", { array: `1-${SIZE}` });
  await home.running(first);
  const heldOf = async (client: Client) =>
    (await listed(client, ["QUEUED"])).filter(({ held }) => held).length;
  await home.use(async (client) => {
    await client.call("Hold", { id: first, array: true });
    assertEquals(await heldOf(client), SIZE - 1);
    // One of them released by itself counts, whatever has been written of the others.
    await client.call("Release", { id: first + 2000 });
    assertEquals(await heldOf(client), SIZE - 2);
  });
  await home.restart("--cpus", "1");
  await home.use(async (client) => {
    assertEquals(await heldOf(client), SIZE - 2);
    await client.call("Cancel", { id: first });
    await home.running(first + 2000);
    await client.call("Release", { id: first, array: true });
    assertEquals(await heldOf(client), 0);
    await client.call("Cancel", { id: first, array: true });
  });
  await home.wait(first + 2000);
  assertEquals(await home.use((client) => count(client, "CANCELLED")), SIZE);
});

Deno.test("what follows thousands, or one by one each other, ends with the first that fails", async () => {
  await using home = await Home.start("--cpus", "1");
  const first = await home.submit("false", { hold: true });
  const wide = await home.submit("echo >>ran", { array: `1-${SIZE}`, after: [first] });
  const chain = wide + SIZE;
  await home.use(async (client) => {
    const spec = (after: number) => ({ command: ["true"], after: [after] });
    const links = Array.from({ length: SIZE }, (_, i) => spec(i === 0 ? first : chain + i - 1));
    await Promise.all(links.map((spec) => client.call("Submit", { spec })));
    await client.call("Release", { id: first });
  });
  await home.wait(first);
  await home.use(async (client) => {
    assertEquals((await client.call("Node", {})).node.queued, 0);
    assertEquals(await count(client, "CANCELLED"), 2 * SIZE);
    for (const id of [wide, wide + SIZE - 1, chain, chain + SIZE - 1]) {
      const { job } = await client.call("Status", { id });
      assertEquals(job.reason, "dependency");
      assert(job.message?.includes("did not complete"), job.message);
    }
    const last = await client.call("Status", { id: chain + SIZE - 1 });
    assert(last.job.message?.includes(`job ${chain + SIZE - 2},`), last.job.message);
  });
  await home.restart();
  await written(home);
  assertEquals(await home.use((client) => count(client, "CANCELLED")), 2 * SIZE);
  assertEquals(home.lines("ran"), []);
});

/** Until every row says what has been said of it all along. */
async function written(home: Home): Promise<void> {
  await until("all rows are written", async () => {
    const { events } = await home.use(async (client) => {
      const jobs = await listed(client);
      return await client.call("History", { id: jobs.at(-1)!.id });
    });
    return events.length > 1;
  });
}
