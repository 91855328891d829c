import Foundation

struct Tide: Codable, Equatable {
    let at: Date
    let metres: Double
}

extension Array where Element == Tide {
    func next(after date: Date) -> Tide? {
        first { $0.at > date }
    }
}

let data = try Data(contentsOf: URL(fileURLWithPath: "tides.json"))
let tides = try JSONDecoder().decode([Tide].self, from: data)
print(tides.next(after: Date())?.metres ?? .nan)
