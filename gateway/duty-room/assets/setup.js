// The first account, by the code on the console; then the board.
import { accountIn, narrow, onSubmit, request, twice } from "./forms.js";
import { byId } from "./words.js";

onSubmit(
  "form",
  "told",
  () => twice("password", "again") || request("POST", "/api/v1/setup", {
    code: narrow("code"), id: accountIn("account"), name: narrow("name"), password: byId("password").value,
  }),
  () => location.assign("/"),
);
