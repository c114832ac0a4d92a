"""Take the pictures of docs/screens from a report, in headless Chromium, at the width of a desk and of a phone.

    muledetect demo && python docs/screens.py muledetect-demo/report

Needs chromium, chromedriver, selenium and Pillow.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PLACE = Path(__file__).parent / "screens"
DESK, PHONE = (1280, 860), (390, 844)


class Screen(NamedTuple):
    """A picture: of which page, scrolled to what, after which script."""

    name: str
    page: str
    to: str = "body"
    script: str = ""


PLAYED = "const s = document.getElementById('slider'); s.value = 520; s.dispatchEvent(new Event('input'));"
LIFTED = "ringNetwork.nodes('[kind=\"collector\"]')[0].emit('mouseover');"
THAI_DARK = (
    "document.querySelector('[data-does=language]').click(); document.querySelector('[data-does=theme]').click();"
)
SCREENS = (
    Screen("index", "index.html"),
    Screen("case", "accounts/00002.html"),
    Screen("case_money", "accounts/00002.html", "#timeline"),
    Screen("case_thai_dark", "accounts/00002.html", script=THAI_DARK),
    Screen("ring", "rings/0001.html", "#network", LIFTED),
    Screen("ring_played", "rings/0001.html", "#network", PLAYED),
    Screen("flow", "rings/0001.html", "#flow"),
    Screen("ties", "rings/0001.html", "#ties"),
    Screen("model", "model.html", "[data-chart]"),
)


def open_browser(size: tuple[int, int]) -> Any:
    """Return a browser with a window of that size."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    return driver


def take(driver: Any, report: Path, screen: Screen, suffix: str) -> None:
    """Write one picture, in 255 colours."""
    driver.get((report / screen.page).absolute().as_uri())
    driver.execute_script(screen.script)
    driver.execute_script(f"(document.querySelector({screen.to!r}) || document.body).scrollIntoView()")
    frames = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"
    driver.execute_async_script(frames)
    picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    picture.quantize(255, dither=Image.Dither.NONE).save(PLACE / f"{screen.name}{suffix}.png", optimize=True)


def main() -> None:
    """Take every picture at both widths."""
    report = Path(sys.argv[1])
    PLACE.mkdir(exist_ok=True)
    for size, suffix in ((DESK, ""), (PHONE, "_phone")):
        driver = open_browser(size)
        try:
            for screen in SCREENS:
                take(driver, report, screen, suffix)
        finally:
            driver.quit()


if __name__ == "__main__":
    main()
