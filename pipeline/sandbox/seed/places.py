"""Where the people come from: names in their own script and as an address spells them.

Each name is `native latin`; both words are the same where the script is Latin.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """A country and its people.

    Args:
        phone: the prefix of its mobile numbers, E.164; eight digits follow.
        cities: `city, state, postal code`.
    """

    country: str
    timezone: str
    phone: str
    cities: tuple[str, ...]
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]


PLACES = (
    Place(
        "PT",
        "Europe/Lisbon",
        "+3519",
        ("Lisboa, Lisboa, 1100-148", "Porto, Porto, 4050-253"),
        ("João joao", "Conceição conceicao", "Inês ines", "Tomé tome", "Ana ana"),
        ("Simões simoes", "Gonçalves goncalves", "Araújo araujo", "Brandão brandao"),
    ),
    Place(
        "US",
        "America/Chicago",
        "+13125",
        ("Chicago, IL, 60601", "Austin, TX, 78701", "St. Paul, MN, 55101"),
        ("Grace grace", "Marcus marcus", "Shanice shanice", "Mary-Jo mary-jo"),
        ("O'Neil o'neil", "Johnson johnson", "Van Buren van.buren", "Lee lee"),
    ),
    Place(
        "DE",
        "Europe/Berlin",
        "+49151",
        ("Köln, Nordrhein-Westfalen, 50667", "München, Bayern, 80331"),
        ("Jürgen juergen", "Käthe kaethe", "Björn bjoern", "Sören soeren"),
        ("Groß gross", "Müller mueller", "Weiß weiss", "Schröder schroeder"),
    ),
    Place(
        "PL",
        "Europe/Warsaw",
        "+4860",
        ("Łódź, Łódzkie, 90-001", "Gdańsk, Pomorskie, 80-001"),
        ("Łukasz lukasz", "Żaneta zaneta", "Małgorzata malgorzata", "Paweł pawel"),
        ("Wiśniewska wisniewska", "Dąbrowski dabrowski", "Zając zajac", "Król krol"),
    ),
    Place(
        "VN",
        "Asia/Ho_Chi_Minh",
        "+849",
        ("Đà Nẵng, Đà Nẵng, 550000", "Hà Nội, Hà Nội, 100000"),
        ("Ngọc ngoc", "Đức duc", "Thảo thao", "Hưng hung"),
        ("Nguyễn nguyen", "Trần tran", "Phạm pham", "Vũ vu"),
    ),
    Place(
        "UA",
        "Europe/Kyiv",
        "+38050",
        ("Київ, Київ, 01001", "Львів, Львівська область, 79000"),
        ("Олена olena", "Іван ivan", "Соломія solomiia", "Василь vasyl"),
        ("Шевченко shevchenko", "Ковальчук kovalchuk", "Їжак yizhak", "Бойко boiko"),
    ),
    Place(
        "GR",
        "Europe/Athens",
        "+3069",
        ("Αθήνα, Αττική, 105 57", "Θεσσαλονίκη, Κεντρική Μακεδονία, 546 24"),
        ("Ελένη eleni", "Γιώργος giorgos", "Άννα anna", "Νίκος nikos"),
        ("Παπαδόπουλος papadopoulos", "Βλάχου vlachou", "Ρήγας rigas"),
    ),
    Place(
        "AE",
        "Asia/Dubai",
        "+97150",
        ("دبي, دبي, 00000", "الشارقة, الشارقة, 00000"),
        ("فاطمة fatima", "محمد mohammed", "ليلى layla", "يوسف yusuf"),
        ("الحسن alhassan", "حداد haddad", "منصور mansour", "خليل khalil"),
    ),
    Place(
        "IL",
        "Asia/Jerusalem",
        "+97250",
        ("תל אביב, תל אביב, 6100001", "חיפה, חיפה, 3100001"),
        ("נועה noa", "דוד david", "יעל yael", "איתן eitan"),
        ("כהן cohen", "לוי levi", "פרץ peretz", "ביטון biton"),
    ),
    Place(
        "JP",
        "Asia/Tokyo",
        "+8190",
        ("東京, 東京都, 100-0001", "大阪, 大阪府, 530-0001"),
        ("さくら sakura", "健太 kenta", "美咲 misaki", "翔 sho"),
        ("佐藤 sato", "鈴木 suzuki", "髙橋 takahashi", "渡邊 watanabe"),
    ),
    Place(
        "CN",
        "Asia/Shanghai",
        "+86138",
        ("上海, 上海, 200000", "深圳, 广东, 518000"),
        ("伟 wei", "秀英 xiuying", "磊 lei", "静 jing"),
        ("王 wang", "李 li", "张 zhang", "欧阳 ouyang"),
    ),
    Place(
        "KR",
        "Asia/Seoul",
        "+8210",
        ("서울, 서울, 04524", "부산, 부산, 48058"),
        ("지민 jimin", "서연 seoyeon", "민준 minjun", "하은 haeun"),
        ("김 kim", "박 park", "이 lee", "최 choi"),
    ),
    Place(
        "IN",
        "Asia/Kolkata",
        "+9198",
        ("मुंबई, महाराष्ट्र, 400001", "जयपुर, राजस्थान, 302001"),
        ("प्रिया priya", "अर्जुन arjun", "दीपा deepa", "राहुल rahul"),
        ("शर्मा sharma", "पटेल patel", "सिंह singh", "गुप्ता gupta"),
    ),
    Place(
        "TH",
        "Asia/Bangkok",
        "+6681",
        ("กรุงเทพ, กรุงเทพมหานคร, 10110", "เชียงใหม่, เชียงใหม่, 50000"),
        ("สมชาย somchai", "มาลี malee", "อรุณ arun", "น้ำฝน namfon"),
        ("ใจดี jaidee", "ศรีสุข srisuk", "ทองดี thongdee"),
    ),
)

COMPANIES = (
    "Harbour Bakery",
    "Bright Dental Care",
    "Blue Door Estates",
    "Café Müller & Söhne",
    "Northside Yoga",
    "Καλημέρα Travel",
    "さくら Design",
    "Oak & Iron Gym",
    "Verde Landscaping",
    "Acme Solar",
    "Łódź Legal",
    "Corner Pet Clinic",
)
TAGS = (
    "customer",
    "lead",
    "newsletter",
    "webinar 2026",
    "vip",
    "open house",
    "referral",
    "do-not-call",
    "über-fan",
)
SOURCES = ("website form", "facebook ads", "referral", "import", "walk-in", "api")
STREETS = ("Harbour Street", "Rua Augusta", "Hauptstraße", "Elm Avenue", "Market Row")
