import { TransportProvider } from "@connectrpc/connect-query";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { AppContext } from "./app-context.ts";
import { createApp } from "./create-app.ts";
import { Page } from "./page.tsx";
import { Part } from "./ui/broken-part.tsx";

const app = createApp(window);
const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

createRoot(root).render(
  <StrictMode>
    <AppContext value={app}>
      <TransportProvider transport={app.transport}>
        <QueryClientProvider client={app.queries}>
          <Part>
            <Page />
          </Part>
        </QueryClientProvider>
      </TransportProvider>
    </AppContext>
  </StrictMode>,
);
