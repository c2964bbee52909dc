// Account and password; then the board.
import { accountIn, onSubmit, request } from "./forms.js";
import { byId } from "./words.js";

onSubmit(
  "form",
  "told",
  () => request("POST", "/api/v1/session", { account: accountIn("account"), password: byId("password").value }),
  () => location.assign("/"),
);
