"""Put the text messages of ../../sms into a bucket on this machine: a packed CSV file a month.

moto_server -H 127.0.0.1 -p 5055        # in another terminal; pip install 'moto[s3,server]'
SMS_KEY=... SMS_SECRET=... python fill.py [endpoint]
"""

import csv
import gzip
import io
import os
import sys
from collections import defaultdict
from pathlib import Path

import boto3

MESSAGES = Path(__file__).parents[2] / "sms" / "messages.csv"

with MESSAGES.open(encoding="utf-8", errors="replace", newline="") as file:
    names, *rows = csv.reader(file)
months = defaultdict(list)
for row in rows:
    if len(row) == len(names) and row[0]:
        months[row[0][:7]].append(row)

bucket = boto3.resource(
    "s3",
    endpoint_url=sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:5055",
    region_name="us-east-1",
    aws_access_key_id=os.environ["SMS_KEY"],
    aws_secret_access_key=os.environ["SMS_SECRET"],
).create_bucket(Bucket="sms")
for month, found in sorted(months.items()):
    text = io.StringIO()
    csv.writer(text).writerows([names, *found])
    key = f"messages/{month}.csv.gz"
    bucket.put_object(Key=key, Body=gzip.compress(text.getvalue().encode(), mtime=0))
    print(f"s3://sms/{key}: {len(found)} messages")
bucket.put_object(Key="messages/readme.txt", Body=b"one file a month")
