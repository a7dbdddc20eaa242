// Copies a command. Without this script the button is not there, and the command can be selected.
for (const button of document.querySelectorAll(".command button")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const command = button.previousElementSibling.textContent;
    const news = document.getElementById("news");
    try {
      await navigator.clipboard.writeText(command);
      news.textContent = "The command is copied.";
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      news.textContent = "The command is selected: copy it by hand.";
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}
// On a phone the contents are folded, so that the page begins with the page.
const contents = document.querySelector(".contents");
const narrow = matchMedia("(max-width: 60rem)");
const fold = () => { contents.open = !narrow.matches; };
narrow.addEventListener("change", fold);
fold();
