// A chat by AG-UI's own client: it does what the JSON of its standard input says, and prints what it has in the end.
// {url, key, threadId, modules, runs: [{message?: {id, content}, answer?, leaveAfter?}]}: each run says a message, or
// answers what the last run was interrupted for, or goes on after one that was left after so many pieces of text.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const asked = JSON.parse(readFileSync(0, "utf8"));
const { HttpAgent } = createRequire(`${asked.modules}/`)("@ag-ui/client");

const agent = new HttpAgent({
  url: asked.url,
  threadId: asked.threadId,
  headers: { Authorization: `Bearer ${asked.key}` },
});
const runs = [];
for (const [number, { message, answer, leaveAfter }] of asked.runs.entries()) {
  if (message) agent.addMessage({ role: "user", ...message });
  const resume = answer && agent.pendingInterrupts.map(({ id }) => ({ interruptId: id, status: "resolved", payload: answer }));
  const told = { pieces: 0, tools: [], custom: [], error: null };
  try {
    const ended = await agent.runAgent(
      { runId: `run-${number}`, ...(resume && { resume }) },
      {
        onTextMessageContentEvent: () => {
          told.pieces += 1;
          if (told.pieces === leaveAfter) agent.abortRun();
        },
        onToolCallEndEvent: ({ toolCallName, toolCallArgs }) => void told.tools.push([toolCallName, toolCallArgs]),
        onCustomEvent: ({ event }) => void told.custom.push(event.name),
        onRunErrorEvent: ({ event }) => void (told.error = event.code),
      },
    );
    told.result = ended.result;
  } catch (error) {
    told.thrown = String(error);
  }
  told.interrupts = agent.pendingInterrupts;
  told.messages = structuredClone(agent.messages);
  runs.push(told);
}
console.log(JSON.stringify(runs));
