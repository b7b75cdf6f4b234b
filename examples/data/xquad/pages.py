"""Write passages as text, Markdown, HTML, PDF and Word files, and a sitemap, into `pages`.

`luthier data collect pages.yaml` reads them from the disk, and from a web server on this machine.
"""

import html
import json
from pathlib import Path

import docx

PORT = 8123
folder = Path("pages")
folder.mkdir(exist_ok=True)
articles = json.loads(Path("data/xquad.en.json").read_text(encoding="utf-8"))["data"][:5]
titles = [one["title"].replace("_", " ") for one in articles]
texts = [[paragraph["context"] for paragraph in one["paragraphs"]] for one in articles]


def pdf_of(lines: list[str]) -> bytes:
    """One page of PDF, written by hand."""
    shown = " ".join(
        f"({line.encode('ascii', 'ignore').decode()}) Tj T*"
        for line in (one.replace("(", "").replace(")", "") for one in lines)
    )
    stream = f"BT /F1 8 Tf 10 TL 40 760 Td {shown} ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 5 0 R "
        "/Resources << /Font << /F1 3 0 R >> >> >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
    ]
    data, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    end = f"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF\n"
    return data + f"xref\n0 6\n0000000000 65535 f \n{table}{end}".encode()


def folded(text: str, width: int = 110) -> list[str]:
    """Lines of about so many characters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f"{word} "
    return lines


(folder / "a.txt").write_text("\n\n".join(texts[0]), encoding="utf-8")
(folder / "b.md").write_text(f"# {titles[1]}\n\n" + "\n\n".join(texts[1]), encoding="utf-8")
body = "".join(f"<p>{html.escape(text)}</p>\n" for text in texts[2])
(folder / "c.html").write_text(
    f"<html><head><title>{titles[2]}</title></head><body><nav>Home | Skip to content</nav>"
    f"<article><h1>{titles[2]}</h1>\n{body}</article>"
    "<footer>We use cookies. All rights reserved</footer></body></html>",
    encoding="utf-8",
)
(folder / "d.pdf").write_bytes(pdf_of(folded(" ".join(texts[3]))))
book = docx.Document()
book.add_heading(titles[4])
for text in texts[4]:
    book.add_paragraph(text)
book.save(str(folder / "e.docx"))
(folder / "sitemap.xml").write_text(
    '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    f"<url><loc>http://127.0.0.1:{PORT}/c.html</loc></url>"
    f"<url><loc>http://127.0.0.1:{PORT}/gone.html</loc></url></urlset>"
)
(folder / "robots.txt").write_text("User-agent: *\nAllow: /\n")
