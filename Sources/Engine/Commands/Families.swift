extension Family { static var all: [Family] { [Strings.family, Keys.family, Expirations.family, Configs.family] } }
