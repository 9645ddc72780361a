import SwiftSyntax

/// One mistake that a person could make, and the text that makes it where its switch is on.
struct Mutant {
    struct Piece {
        /// In bytes from the file's begin.
        var at: Int
        var opens: Bool
        var text: String
    }
    var number: Int
    var line: Int
    var column: Int
    /// comparison, condition, connective, negation, constant or statement.
    var kind: String
    var what: String
    /// Of what is mutated, in bytes.
    var length: Int
    var pieces: [Piece]
}

/// Finds where a mutant can be. What the compiler does not take is left out by whoever compiles.
final class Finder: SyntaxVisitor {
    private(set) var found: [Mutant] = []
    private let converter: SourceLocationConverter
    private let first: Int
    /// The constants that are given their value after their declaration.
    private let late: Set<String>

    init(of file: SourceFileSyntax, first: Int) {
        let constants = Constants(viewMode: .sourceAccurate)
        constants.walk(file)
        late = constants.late
        converter = SourceLocationConverter(fileName: "", tree: file)
        self.first = first
        super.init(viewMode: .sourceAccurate)
    }

    private static let comparisons = [
        "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==",
    ]

    // MARK: - Where no mutant can be

    override func visit(_ node: AttributeSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
    override func visit(_ node: IfConfigDeclSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
    override func visit(_ node: EnumCaseDeclSyntax) -> SyntaxVisitorContinueKind { .skipChildren }
    override func visit(_ node: ExpressionPatternSyntax) -> SyntaxVisitorContinueKind {
        .skipChildren
    }
    override func visit(_ node: StringLiteralExprSyntax) -> SyntaxVisitorContinueKind {
        .skipChildren
    }
    override func visit(_ node: MacroExpansionExprSyntax) -> SyntaxVisitorContinueKind {
        .skipChildren
    }

    override func visit(_ node: FunctionCallExprSyntax) -> SyntaxVisitorContinueKind {
        // A planted bug is no part of the machine.
        node.calledExpression.trimmedDescription == "planted" ? .skipChildren : .visitChildren
    }

    // MARK: - What can be mistaken

    override func visit(_ node: InfixOperatorExprSyntax) -> SyntaxVisitorContinueKind {
        guard let name = node.operator.as(BinaryOperatorExprSyntax.self)?.operator.text else {
            return .visitChildren
        }
        // In a planted bug's expression only the machine's own part is mutated.
        if node.trimmedDescription.contains("planted(") { return .visitChildren }
        let (left, right) = (
            node.leftOperand.trimmedDescription, node.rightOperand.trimmedDescription
        )
        let other = Self.comparisons[name]
        if let other {
            replace(node, by: "\(left) \(other) \(right)", "comparison")
        } else if name == "&&" {
            replace(node, by: "(\(left)) || (\(right))", "connective")
        } else if name == "||" {
            replace(node, by: "(\(left)) && (\(right))", "connective")
        } else if name == "+" {
            replace(node, by: "\(left) - \(right)", "constant")
        }
        return .visitChildren
    }

    override func visit(_ node: PrefixOperatorExprSyntax) -> SyntaxVisitorContinueKind {
        if node.operator.text == "!", !node.trimmedDescription.contains("planted(") {
            replace(node, by: node.expression.trimmedDescription, "negation")
        }
        return .visitChildren
    }

    override func visit(_ node: IntegerLiteralExprSyntax) -> SyntaxVisitorContinueKind {
        if let value = Int(node.literal.text.filter { $0 != "_" }) {
            replace(node, by: "\(value + 1)", "constant")
        }
        return .visitChildren
    }

    override func visit(_ node: BooleanLiteralExprSyntax) -> SyntaxVisitorContinueKind {
        let isTrue = node.literal.text == "true"
        replace(node, by: isTrue ? "false" : "true", "constant")
        return .visitChildren
    }

    override func visit(_ node: ConditionElementSyntax) -> SyntaxVisitorContinueKind {
        guard case .expression(let condition) = node.condition else { return .visitChildren }
        let text = condition.trimmedDescription
        // The condition of a guard holds always, that of an `if` too, or never.
        let inGuard = node.parent?.parent?.is(GuardStmtSyntax.self) ?? false
        // A loop without an end stays one.
        if text == "true" { return .skipChildren }
        if text.contains("planted(") { return .visitChildren }
        replace(condition, by: "true", "condition")
        if !inGuard, !(node.parent?.parent?.is(WhileStmtSyntax.self) ?? false) {
            replace(condition, by: "false", "condition")
        }
        return .visitChildren
    }

    override func visit(_ node: CodeBlockItemSyntax) -> SyntaxVisitorContinueKind {
        let text = node.item.trimmedDescription
        guard !text.contains("planted("), isStatement(node.item), !isNeeded(node) else {
            return .visitChildren
        }
        // A body that is one expression is the value of a function.
        if node.parent?.as(CodeBlockItemListSyntax.self)?.count == 1, isValue(node) {
            return .visitChildren
        }
        wrap(node.item, "if !mutant(NUMBER) { ", " }", "statement", "without \(shown(text))")
        return .visitChildren
    }

    private func isStatement(_ item: CodeBlockItemSyntax.Item) -> Bool {
        switch item {
        case .expr(let expression):
            if let infix = expression.as(InfixOperatorExprSyntax.self) {
                if infix.operator.is(AssignmentExprSyntax.self) { return true }
                let name = infix.operator.as(BinaryOperatorExprSyntax.self)?.operator.text ?? ""
                return name.hasSuffix("=") && Self.comparisons[name] == nil
            }
            return expression.is(FunctionCallExprSyntax.self)
                || expression.as(TryExprSyntax.self)?.expression.is(FunctionCallExprSyntax.self)
                    ?? false
        case .stmt(let statement):
            guard let back = statement.as(ReturnStmtSyntax.self) else { return false }
            return back.expression == nil
        case .decl: return false
        }
    }

    /// The compiler wants it: what an initializer gives, and how the body of a guard ends.
    private func isNeeded(_ node: CodeBlockItemSyntax) -> Bool {
        if case .expr(let expression) = node.item,
            let infix = expression.as(InfixOperatorExprSyntax.self),
            infix.operator.is(AssignmentExprSyntax.self),
            infix.leftOperand.tokens(viewMode: .sourceAccurate).contains(where: {
                late.contains($0.text)
            })
        {
            return true
        }
        let holder = node.parent?.parent?.parent
        if holder?.is(GuardStmtSyntax.self) ?? false,
            node.parent?.as(CodeBlockItemListSyntax.self)?.last == node
        {
            return true
        }
        var one = node.parent
        while let at = one, !at.is(FunctionDeclSyntax.self) {
            if at.is(InitializerDeclSyntax.self) { return true }
            one = at.parent
        }
        return false
    }

    /// A body of one call may be what its function returns.
    private func isValue(_ node: CodeBlockItemSyntax) -> Bool {
        guard let body = node.parent?.parent else { return false }
        if body.is(ClosureExprSyntax.self) || body.is(AccessorBlockSyntax.self) { return true }
        if let function = body.parent?.as(FunctionDeclSyntax.self) {
            return function.signature.returnClause != nil
        }
        // Of an `if` or a `switch` that is an expression the compiler knows.
        return false
    }

    // MARK: - Rewriting

    private func replace(_ node: some ExprSyntaxProtocol, by text: String, _ kind: String) {
        wrap(
            node, "(mutant(NUMBER) ? (\(oneLine(text))) : (", "))", kind,
            "\(shown(node.trimmedDescription)) → \(shown(text))")
    }

    private func wrap(
        _ node: some SyntaxProtocol, _ open: String, _ close: String, _ kind: String, _ what: String
    ) {
        let from = node.positionAfterSkippingLeadingTrivia
        let to = node.endPositionBeforeTrailingTrivia
        let place = converter.location(for: from)
        let number = first + found.count
        let open = open.replacing("NUMBER", with: "\(number)")
        found.append(
            Mutant(
                number: number, line: place.line, column: place.column, kind: kind, what: what,
                length: to.utf8Offset - from.utf8Offset,
                pieces: [
                    .init(at: from.utf8Offset, opens: true, text: open),
                    .init(at: to.utf8Offset, opens: false, text: close),
                ]))
    }

    private func oneLine(_ text: String) -> String {
        text.split(separator: "\n").map { line in
            // A remark would swallow what follows.
            line.trimmingPrefix { $0 == " " }.hasPrefix("//") ? "" : String(line)
        }.joined(separator: " ")
    }

    private func shown(_ text: String) -> String {
        let line = oneLine(text).split(separator: " ").joined(separator: " ")
        return line.count > 70 ? line.prefix(69) + "…" : line
    }
}

private final class Constants: SyntaxVisitor {
    private(set) var late: Set<String> = []

    override func visit(_ node: VariableDeclSyntax) -> SyntaxVisitorContinueKind {
        guard !(node.parent?.is(MemberBlockItemSyntax.self) ?? false) else { return .visitChildren }
        for binding in node.bindings
        where binding.initializer == nil && binding.accessorBlock == nil {
            for token in binding.pattern.tokens(viewMode: .sourceAccurate) {
                late.insert(token.text)
            }
        }
        return .visitChildren
    }
}
